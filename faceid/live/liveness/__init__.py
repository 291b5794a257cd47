"""Decides whether a track shows a live face."""
