"""What a loss gets to see: identities for training and for testing, batches, and the triplets within them."""
