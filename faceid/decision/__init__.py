"""Scores, thresholds and decisions: pure functions that know no store."""
