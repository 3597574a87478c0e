"""Explaining: look-alikes of a cell, the projector, the quick look."""
