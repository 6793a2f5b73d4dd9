"""Errors on unknown names and keywords that name the most similar one."""

import difflib
import functools
import inspect
from collections.abc import Callable
from typing import ParamSpec, TypeVar

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


# Keywords of other libraries, and what takes their place.
ELSEWHERE = {
    "activation": "hidden=...",
    "learning_rate": "optimizer=fastbp.SGD(...)",
    "lr": "optimizer=fastbp.SGD(...)",
    "max_iter": "epochs=...",
    "random_state": "seed=...",
    "validation_data": "X_val=..., y_val=...",
    "verbose": "progress=True",
}


def close_match(word, choices):
    """The end of an error on an unknown `word`: the most similar choice, if there is one."""
    found = difflib.get_close_matches(word.lower(), choices, n=1)
    return f": did you mean {found[0]!r}?" if found else ""


def suggest_keywords(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """A decorator: an unknown keyword is a TypeError with the most similar one, or with what takes
    the place of another library's."""
    known = inspect.signature(function).parameters

    @functools.wraps(function)
    def call(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        for name in kwargs:
            if name not in known:
                hint = close_match(name, known)
                if ELSEWHERE.get(name, "").partition("=")[0] in known:
                    hint = f": use {ELSEWHERE[name]}"
                raise TypeError(
                    f"{function.__qualname__}() got an unexpected keyword argument {name!r}{hint}"
                )
        return function(*args, **kwargs)

    return call
