"""A network becomes the bytes of a file, and the bytes are decoded strictly.

No module here makes a network, which belongs in `fastbp.loading`; when a checkpoint is written
belongs in `fastbp.training`.
"""
