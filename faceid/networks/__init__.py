"""Networks, their cards and their weights: tensors, never people."""
