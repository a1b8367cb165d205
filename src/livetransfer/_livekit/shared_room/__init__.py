"""The human is dialled into the room of the caller, and sealed until the bridge."""
