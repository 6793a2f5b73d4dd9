"""A network and samples become calls of the compiled kernels: plans, buffers, steps, forward
passes; and the state that they change.

Nothing here depends on epochs, callbacks or files, which belong in `fastbp.training`,
`fastbp.callbacks` and `fastbp.serialization`.
"""
