"""Samples: int16 mono buffers, their levels, and loops that join without a seam."""
