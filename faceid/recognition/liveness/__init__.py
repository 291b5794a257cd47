"""Liveness: passive, from one picture, and by challenge, from movements that the face performs on request."""
