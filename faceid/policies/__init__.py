"""Policies: the stored thresholds of a gallery, which of them is active, and their file format."""
