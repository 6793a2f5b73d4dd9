"""The command ``fastbp``: ``main``, a file for each command, and what the commands share.

Nothing else in fastbp imports this package, and it defines no public names.
"""
