"""Image -> Faces."""
