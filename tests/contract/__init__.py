"""The contract of CallControl, for every implementation of it."""
