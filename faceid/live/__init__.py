"""Faces in a stream of pictures: from frames to tracks, and from tracks to people."""
