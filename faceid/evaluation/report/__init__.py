"""Findings as one HTML file that needs nothing else, or as JSON."""
