"""Images -> faces -> aligned crops -> embeddings, with quality and liveness."""
