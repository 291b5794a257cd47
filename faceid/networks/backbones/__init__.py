"""Networks and the readers of the formats that their weights come in.

Each network's module offers `VERSION` (raised whenever `convert` gives something else), `convert(path)`, from
the published file to a state dict, and `build(state)`, from the state dict to a network in evaluation mode.
Networks take (n, 3, S, S) float32 RGB, 0..255, and give (n, d) raw embeddings, not of unit length.
"""
