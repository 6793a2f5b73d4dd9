"""A network and samples become calls of the compiled kernels: plans, buffers, steps, forward
passes.

Nothing here depends on epochs, callbacks or files, which belong in `fastbp.training` and
`fastbp.serialization`.
"""
