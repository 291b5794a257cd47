"""Networks and the readers of the formats that their weights come in.

Each network's module offers `VERSION` (increased when the output of `convert` changes), `convert(path)`, from the
published file to a state dict, and `build(state)`, from the state dict to a network in evaluation mode. Networks take
(n, 3, S, S) float32 RGB, 0..255, and return (n, d) raw embeddings, not of unit length.
"""
