"""Tile pyramids of large fields, for deep zoom in the browser."""
