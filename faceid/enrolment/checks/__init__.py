"""What is held against a group of photos of one person before any of them is stored. Pure functions on arrays."""
