"""Models of other libraries become networks: PyTorch, Keras, scikit-learn.

What they compute is carried over exactly or refused. The way there is `fastbp.export`.
"""
