"""People and vectors: never pixels, never networks."""
