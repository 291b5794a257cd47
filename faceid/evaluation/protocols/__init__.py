"""The protocols of the field, and what they find."""
