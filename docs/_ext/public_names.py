"""Every public name of the package must be in the site's inventory; the build warns of others."""

import inspect
from collections.abc import Iterator
from importlib import import_module

from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import logging

MODULES = ("callbacks", "functional", "graph", "plot", "schedules", "sklearn")


def public_names() -> Iterator[str]:
    """The names of every ``__all__``, and those of the public members of their classes."""
    for name in ("fastbp", *(f"fastbp.{module}" for module in MODULES)):
        module = import_module(name)
        for public in module.__all__:
            value = getattr(module, public)
            yield f"{name}.{public}"
            if inspect.isclass(value):
                yield from (
                    f"{name}.{public}.{member}"
                    for member, defined in vars(value).items()
                    if not member.startswith(("_", "set_"))  # set_fit_request and the like
                    and (inspect.isroutine(defined) or isinstance(defined, property))
                    and defined.__doc__
                )


def check(app: Sphinx, env: BuildEnvironment) -> None:
    objects = env.domains.python_domain.objects
    for name in public_names():
        if name not in objects:
            logging.getLogger(__name__).warning("no page documents %s", name)


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("env-check-consistency", check)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
