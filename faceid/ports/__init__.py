"""The ports between the parts of faceid, as Protocols."""
