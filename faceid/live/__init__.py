"""Tracks, recognises and displays the faces in a camera, a stream or a file."""
