"""Error rates, intervals, tails and calibrations from plain arrays of scores."""
