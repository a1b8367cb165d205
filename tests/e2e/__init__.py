"""Calls on a real LiveKit server, judged by what SIP phones hear; also the kit they are made of."""
