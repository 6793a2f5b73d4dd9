"""A network becomes a model of another library: ONNX, PyTorch, scikit-learn.

Networks are duck-typed: nothing here imports `fastbp.mlp`. The other direction is
`fastbp.importers`.
"""
