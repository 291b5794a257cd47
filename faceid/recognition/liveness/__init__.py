"""A live face, or a copy of one? Passive, from one picture, and by challenge, from what the face is asked to do."""
