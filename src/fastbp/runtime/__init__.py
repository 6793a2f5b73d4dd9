"""Threads: how many CPUs there are, thread pools, teams, and signals that are deferred.

Nothing here depends on networks or samples. Code that runs a network belongs in `fastbp.engine`.
"""
