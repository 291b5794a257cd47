"""Networks, their cards and their weights. This package handles tensors, never people."""
