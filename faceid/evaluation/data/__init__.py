"""Reads data for an evaluation: photos, pairs, scores and presentations, from files or a gallery."""
