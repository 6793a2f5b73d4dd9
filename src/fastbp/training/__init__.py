"""A fit: its checks, batches, epochs, callback dispatch, checkpoints.

The arithmetic of a step belongs in `fastbp.engine`, the format of checkpoints in
`fastbp.serialization`, the public methods in `fastbp.mlp`.
"""
