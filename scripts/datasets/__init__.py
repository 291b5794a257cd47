"""The photos and templates that several scripts use."""
