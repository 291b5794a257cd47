"""Joins the faces of single frames into tracks, and chooses which of them to embed."""
