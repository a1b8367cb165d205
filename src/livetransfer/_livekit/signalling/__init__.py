"""Requests to LiveKit: dialling, REFER, keys, and what the answers mean."""
