"""Faces in a stream: what a camera, a stream or a file shows, as it happens."""
