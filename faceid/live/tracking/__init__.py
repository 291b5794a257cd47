"""Faces of single frames become tracks, and which of them are worth embedding."""
