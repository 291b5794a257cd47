"""Enrolment: which photos of a person are stored as templates, and why the others are not."""
