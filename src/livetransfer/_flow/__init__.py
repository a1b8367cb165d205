"""One run of a transfer: its attempts, what interrupts them, and how it ends."""
