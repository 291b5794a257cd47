"""The store on one machine: one SQLite file."""
