"""The commands of `livetransfer`, one module each."""
