"""The corpus for what answers a phone: spoken, rung and played by free programs, on a phone line."""
