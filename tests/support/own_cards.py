"""The card of a network that a user has trained, beside its weights."""

OWN_CARD = """
name = "mine"
backbone = "light"
dim = 16
metric = "cosine"
input_size = 112
aligner = "arcface-112-v1"
description = "a test"
licence = "none"
source_url = "trained here"
[weights]
kind = "file"
file = "mine.safetensors"
sha256 = "{sha256}"
size = {size}
"""
"""Takes the `sha256` and the `size` of the file."""
