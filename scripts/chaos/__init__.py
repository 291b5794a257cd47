"""Processes that are killed, and servers that fail, to find what faceid loses."""
