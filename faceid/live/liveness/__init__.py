"""Whether a track shows a live face."""
