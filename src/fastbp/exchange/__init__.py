"""Nets from PyTorch's and Keras's models, and to PyTorch: a file a library, and what they share."""
