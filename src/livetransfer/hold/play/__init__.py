"""Hold music at work: one player, a play for each call, written to its sink."""
