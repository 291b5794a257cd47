"""Decides whose face a track shows."""
