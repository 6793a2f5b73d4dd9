"""Models of other libraries become networks: PyTorch, Keras, scikit-learn.

Models are converted exactly or refused. The way out is `fastbp.export`.
"""
