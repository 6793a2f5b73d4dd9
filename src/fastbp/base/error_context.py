"""Errors in what users plug into a fit say whose they are."""

from contextlib import contextmanager


@contextmanager
def error_context(culprit):
    """A ``with`` block whose errors get a note that names `culprit`."""
    try:
        yield
    except Exception as error:
        error.add_note(f"raised by {culprit}")
        raise
