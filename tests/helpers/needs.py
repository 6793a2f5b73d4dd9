"""Skip tests of what this system lacks."""

import importlib.util

import pytest


def needs(*names):
    """The mark of a test that needs each of these: "resource", "os.fork", "signal.setitimer"."""
    missing = [name for name in names if not _is_there(name)]
    return pytest.mark.skipif(bool(missing), reason=f"the system has no {', '.join(missing)}")


def _is_there(name):
    module, _, attribute = name.partition(".")
    if importlib.util.find_spec(module) is None:
        return False
    return not attribute or hasattr(importlib.import_module(module), attribute)
