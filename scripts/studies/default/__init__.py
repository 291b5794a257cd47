"""The part of lab_default that trains."""
