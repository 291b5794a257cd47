"""Explores the embeddings of faces: files, pictures, neighbours, groups and copies."""
