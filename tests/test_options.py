"""Constructors that take their options from another callable."""

from __future__ import annotations

from inspect import cleandoc, signature
from typing import get_type_hints

import pytest

from monai_topoloss._options import add_constructor, describe_arguments


def source(image: bytes, first: int = 1, second: int | None = None, third: str = "a") -> None:
    """Use options.

    Args:
        image: no option.
        first: one: with a colon
            and a second line.
        second: two.
        third: three.

    Returns:
        second: nothing.
    """


def set_up(self, own: float = 0.5, **options: object) -> None:
    """Set up.

    Args:
        own: mine.
        options: of the source.
    """
    self.got = {"own": own, **options}


def make_class():
    class Made:
        """Summary.

        Example:
            >>> code
        """

    add_constructor(Made, set_up, source, after="first", without=("image",))
    return Made


def test_signature_and_docstring():
    made = make_class()
    expected = "(first: int = 1, own: float = 0.5, second: int | None = None, third: str = 'a') -> None"
    assert str(signature(made)) == expected
    assert get_type_hints(made.__init__)["second"] == int | None
    assert cleandoc(made.__doc__) == cleandoc(
        """
        Summary.

        Args:
            first: one: with a colon
                and a second line.
            own: mine.
            second: two.
            third: three.

        Example:
            >>> code
        """
    )
    assert list(describe_arguments(made)) == ["first", "own", "second", "third"]


def test_calls():
    made = make_class()
    defaults = {"first": 1, "own": 0.5, "second": None, "third": "a"}
    assert made().got == defaults
    assert made(2, 2.0, third="c").got == {"first": 2, "own": 2.0, "second": None, "third": "c"}

    class Changed(made):
        def __init__(self, fourth=4):
            super().__init__(second=fourth)

    assert Changed().got == {**defaults, "second": 4}
    assert list(signature(Changed).parameters) == ["fourth"]
    with pytest.raises(TypeError, match=r"Made\(\) got an unexpected keyword argument 'fist'"):
        made(fist=1)
    with pytest.raises(TypeError, match=r"Made\(\) multiple values for argument 'first'"):
        made(1, first=1)
    with pytest.raises(TypeError, match=r"Made\(\) too many positional arguments"):
        made(1, 2, 3, 4, 5)


def test_without_docstrings():
    """As with ``python -OO``."""

    class Made:
        pass

    add_constructor(Made, lambda this, **_: this, lambda first=1: first, after="first", without=())
    assert Made.__doc__ is None
    assert describe_arguments(lambda first: first) == {}
