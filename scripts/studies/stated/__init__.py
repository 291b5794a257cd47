"""What the studies of stated rates share: the networks, with their cards and templates."""
