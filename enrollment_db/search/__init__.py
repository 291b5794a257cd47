"""Search: the mirror of the change log, its indexes and their snapshots."""
