"""The transfer half of a LiveKit phone agent: hand a caller to a person, and never strand one."""
