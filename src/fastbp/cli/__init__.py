"""The command line: ``fastbp``, or ``python -m fastbp``. Nothing in the library imports it."""
