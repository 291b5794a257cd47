"""Writes findings as one self-contained HTML file, or as JSON."""
