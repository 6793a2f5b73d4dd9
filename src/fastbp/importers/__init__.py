"""Models of other libraries become networks: PyTorch, Keras, scikit-learn.

What they compute is converted exactly or refused. The other direction is `fastbp.export`.
"""
