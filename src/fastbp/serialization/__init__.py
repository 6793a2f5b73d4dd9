"""A network becomes the bytes of a file, and a file is read back strictly.

No module here builds a network: `fastbp.loading` does.
"""
