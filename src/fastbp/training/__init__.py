"""The course of a fit: batches, epochs, callbacks, checkpoints.

The arithmetic of a step belongs in `fastbp.engine`, the public methods in `fastbp.mlp`.
"""
