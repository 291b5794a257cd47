"""Reads sources of video: cameras, streams, files and pipes."""
