"""The protocols of the field, and their findings."""
