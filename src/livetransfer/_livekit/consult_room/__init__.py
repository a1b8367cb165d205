"""The human is dialled into a second room, and moved or relayed for the bridge."""
