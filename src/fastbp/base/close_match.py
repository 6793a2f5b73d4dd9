"""Errors on unknown names and keywords that name the most similar one."""

import difflib
import functools
import inspect
from collections.abc import Callable
from typing import ParamSpec, TypeVar

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def close_match(word, choices):
    """The end of an error on an unknown `word`: the most similar choice, if there is one."""
    found = difflib.get_close_matches(word.lower(), choices, n=1)
    return f": did you mean {found[0]!r}?" if found else ""


def suggest_keywords(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """A decorator: an unknown keyword is a TypeError with the most similar one."""
    known = inspect.signature(function).parameters

    @functools.wraps(function)
    def call(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        for name in kwargs:
            if name not in known:
                raise TypeError(
                    f"{function.__qualname__}() got an unexpected keyword argument {name!r}"
                    f"{close_match(name, known)}"
                )
        return function(*args, **kwargs)

    return call
