"""A trained net as a file that runs without this package: ONNX, torch's pt2, or weights alone."""
