"""Looking at what a network makes of faces: embeddings as files, pictures, neighbours, groups and copies."""
