"""The truth on one machine: one SQLite file."""
