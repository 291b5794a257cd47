"""Computes error rates, intervals, tails and calibrations from plain arrays of scores."""
