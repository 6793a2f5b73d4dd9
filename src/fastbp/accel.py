"""``python -m fastbp.accel script.py args...``: a script or module run as by Python itself, with
scikit-learn patched."""

import argparse
import builtins
import importlib.machinery
import logging
import os
import pkgutil
import runpy
import sys
import types

from .patching import LOGGER, patch_sklearn


def parser() -> argparse.ArgumentParser:
    """What the command line may be."""
    made = argparse.ArgumentParser(
        prog="python -m fastbp.accel",
        usage="%(prog)s [-h] [-v] (script.py | -m module) [argument ...]",
        description="Run a script, or with -m a module, with fastbp's MLPClassifier and MLPRegressor in scikit-learn's place.",
    )
    made.add_argument(
        "-v",
        "--verbose",
        action="store_true",
        help="say of every fit whether it is accelerated, on stderr",
    )
    made.add_argument(
        "-m",
        dest="module",
        action="store_true",
        help="what follows is the name of a module, as for python -m",
    )
    made.add_argument(
        "command", nargs=argparse.REMAINDER, help="script or module, and its own arguments"
    )
    return made


def run(command: list[str], module: bool) -> None:
    """Run `command`, a script or module and its arguments, as ``__main__``; whatever it raises
    comes out."""
    name, sys.argv = command[0], command[:]
    if module:
        runpy.run_module(name, run_name="__main__", alter_sys=True)
        return
    path = os.path.abspath(name)
    if pkgutil.get_importer(path):  # a folder or an archive with a __main__.py
        _first_on_path(path)
        runpy.run_path(path, run_name="__main__")
        return
    # Not by runpy, which would give the script another sys.argv[0] and take its __main__ away
    # before the exit handlers run.
    _first_on_path(os.path.dirname(os.path.realpath(path)))
    with open(path, "rb") as file:
        code = compile(file.read(), path, "exec", dont_inherit=True)
    started, script = sys.modules["__main__"], types.ModuleType("__main__")
    script.__file__, script.__loader__ = (
        path,
        importlib.machinery.SourceFileLoader("__main__", path),
    )
    vars(script).update(__builtins__=builtins, __cached__=None)
    if "__annotations__" in vars(started):  # up to Python 3.13
        script.__annotations__ = {}
    sys.modules["__main__"] = script
    exec(code, vars(script))


def _first_on_path(folder):
    """Put `folder` where ``python -m`` has put the working directory."""
    if not sys.flags.safe_path:
        sys.path[0] = folder


def main() -> None:
    """The command line: exit code, output and traceback are the script's own."""
    usage = parser()
    arguments = usage.parse_args()
    if not arguments.command:
        usage.error("a script or -m module is needed")
    if arguments.verbose:
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(name)s: %(message)s"))
        LOGGER.addHandler(handler)
        LOGGER.setLevel(logging.INFO)
    try:
        patch_sklearn()
    except ImportError as error:
        usage.exit(2, f"{usage.prog}: {error}\n")
    try:
        run(arguments.command, arguments.module)
    except SystemExit:
        raise
    except BaseException as error:
        trace = error.__traceback__
        while trace and any(trace.tb_frame.f_globals is own for own in (globals(), vars(runpy))):
            trace = trace.tb_next
        if trace is None and isinstance(error, OSError):
            usage.exit(
                2,
                f"{sys.executable}: can't open file {error.filename!r}: [Errno {error.errno}] {error.strerror}\n",
            )
        if trace is None and isinstance(error, ImportError):
            usage.exit(1, f"{sys.executable}: {error}\n")
        # The interpreter is left to print it and to choose the exit code; it is shown from the
        # script's first frame on.
        shown = sys.excepthook
        sys.excepthook = lambda kind, value, _: shown(kind, value.with_traceback(trace), trace)
        raise


if __name__ == "__main__":
    main()
