"""Scores -> error rates -> thresholds."""
