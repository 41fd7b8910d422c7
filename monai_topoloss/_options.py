"""Constructors that take their options from another callable.

A metric class has the options of the function that it collects the values of, a handler those of the metric class. Each
option, its default and its meaning are written once, in the function. Signature and docstring say all the same.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Collection
from typing import Any


def add_constructor(
    cls: type, set_up: Callable[..., None], source: Callable[..., Any], *, after: str, without: Collection[str]
) -> None:
    """Give a class a constructor, and a section ``Args`` in its docstring, before the example.

    Args:
        cls: gets them.
        set_up: is called with the new object, and all options by their names. Its own arguments become options, and
            whatever else comes in its ``**options`` is the source's.
        source: of the other options.
        after: the option of the source that those of ``set_up`` follow.
        without: arguments of the source that are no options.
    """
    options = [each for each in _parameters(source) if each.name not in without]
    this, *own = (each for each in _parameters(set_up) if each.kind is not inspect.Parameter.VAR_KEYWORD)
    place = 1 + [each.name for each in options].index(after)
    options[place:place] = own
    signature = inspect.Signature([this, *options], return_annotation=None)

    def construct(self: Any, *args: Any, **options: Any) -> None:
        try:
            bound = signature.bind(self, *args, **options)
        except TypeError as error:
            raise TypeError(f"{type(self).__name__}() {error}") from None
        bound.apply_defaults()
        set_up(**bound.arguments)

    construct.__signature__ = signature  # type: ignore[attr-defined]
    construct.__annotations__ = {each.name: each.annotation for each in options} | {"return": None}
    construct.__module__, construct.__name__ = cls.__module__, "__init__"
    construct.__qualname__ = f"{cls.__qualname__}.__init__"
    cls.__init__ = construct  # type: ignore[misc]
    if cls.__doc__:  # there is none with python -OO
        meanings = describe_arguments(source) | describe_arguments(set_up)
        arguments = "".join(f"    {each.name}: {meanings[each.name]}\n" for each in options)
        text, example, code = inspect.cleandoc(cls.__doc__).partition("Example:\n")
        cls.__doc__ = f"{text.rstrip()}\n\nArgs:\n{arguments}\n{example}{code}\n"


def describe_arguments(function: Callable[..., Any]) -> dict[str, str]:
    """Return what the docstring of a function or class says of each argument, lines after the first indented."""
    doc = inspect.cleandoc(function.__doc__ or "") + "\n"
    section = re.search(r"^Args:\n((?: {4,}.*\n)+)", doc, re.MULTILINE)
    entries = re.findall(r"^ {4}(\w+): (.*(?:\n {8}.*)*)\n", section[1] if section else "", re.MULTILINE)
    return dict(entries)


def _parameters(source: Callable[..., Any]) -> list[inspect.Parameter]:
    return list(inspect.signature(source, eval_str=True).parameters.values())
