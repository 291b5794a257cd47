"""Turns scores into error rates and thresholds."""
