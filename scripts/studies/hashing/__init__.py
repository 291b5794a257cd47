"""The figure of lab_hashing."""
