"""The input of losses: splits of identities, batches, and the triplets within them."""
