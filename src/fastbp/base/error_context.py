"""Notes on exceptions that user code raises during a fit."""

from contextlib import contextmanager


@contextmanager
def error_context(source):
    """A ``with`` block that adds the note ``raised by`` `source` to an exception."""
    try:
        yield
    except Exception as error:
        error.add_note(f"raised by {source}")
        raise
