"""The corpus of what answers a phone: spoken, rung and played by free programs."""
