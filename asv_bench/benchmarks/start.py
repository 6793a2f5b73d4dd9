"""Starting: import alone, and import with a first small fit on a warm cache."""


def timeraw_import():
    return "import fastbp"


def timeraw_first_fit():
    return """
    import numpy as np, fastbp
    fastbp.MLP([3, 4, 2]).fit(np.zeros((8, 3), "f4"), [0, 1] * 4, epochs=1)
    """
