"""Threads: the CPUs there are, the number of threads to use, the thread pool, deferred signals.

Nothing here depends on networks or samples. Code that runs a network belongs in `fastbp.engine`.
"""
