"""``python -m fastbp.accel script.py args...``: run a script or module as Python does, with
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
    """The parser of the command line."""
    result = argparse.ArgumentParser(
        prog="python -m fastbp.accel",
        usage="%(prog)s [-h] [-v] (script.py | -m module) [argument ...]",
        description="Run a script, or with -m a module, with fastbp's MLPClassifier and "
        "MLPRegressor in scikit-learn's place.",
    )
    result.add_argument(
        "-v",
        "--verbose",
        action="store_true",
        help="log on stderr for every fit whether it is accelerated",
    )
    result.add_argument(
        "-m", dest="module", action="store_true", help="run a module by its name, as python -m"
    )
    result.add_argument(
        "command", nargs=argparse.REMAINDER, help="script or module, and its own arguments"
    )
    return result


def run(command: list[str], module: bool) -> None:
    """Run `command`, a script or module and its arguments, as ``__main__``. Its exceptions are not
    caught."""
    name = command[0]
    sys.argv = command[:]
    if module:
        runpy.run_module(name, run_name="__main__", alter_sys=True)
        return
    path = os.path.abspath(name)
    if pkgutil.get_importer(path):  # a folder or an archive with a __main__.py
        _first_on_path(path)
        runpy.run_path(path, run_name="__main__")
        return
    # runpy would change sys.argv[0], and remove the script's __main__ before exit handlers run.
    _first_on_path(os.path.dirname(os.path.realpath(path)))
    with open(path, "rb") as file:
        code = compile(file.read(), path, "exec", dont_inherit=True)
    started = sys.modules["__main__"]
    script = types.ModuleType("__main__")
    script.__file__ = path
    script.__loader__ = importlib.machinery.SourceFileLoader("__main__", path)
    vars(script).update(__builtins__=builtins, __cached__=None)
    if "__annotations__" in vars(started):  # up to Python 3.13
        script.__annotations__ = {}
    sys.modules["__main__"] = script
    exec(code, vars(script))


def _first_on_path(folder):
    """Replace the working directory, which ``python -m`` puts first on the path, by `folder`."""
    if not sys.flags.safe_path:
        sys.path[0] = folder


def main() -> None:
    """The command line. Exit code, output and traceback are those of the script."""
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
                f"{sys.executable}: can't open file {error.filename!r}: "
                f"[Errno {error.errno}] {error.strerror}\n",
            )
        if trace is None and isinstance(error, ImportError):
            usage.exit(1, f"{sys.executable}: {error}\n")
        # The interpreter prints the error, from the script's first frame on, and exits.
        hook = sys.excepthook
        sys.excepthook = lambda kind, value, _: hook(kind, value.with_traceback(trace), trace)
        raise


if __name__ == "__main__":
    main()
