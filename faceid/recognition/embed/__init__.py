"""Aligned crops -> unit vectors, by a torch network, an ONNX graph or, in tests, a fake."""
