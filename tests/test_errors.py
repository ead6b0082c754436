"""The error tree: its drawing, its codes, and the lookup of a class by its code."""

import re

import pytest

from inkwell import errors
from inkwell.errors import EngineFailed, InkwellError, ModelCorrupt, error_kinds, error_of


def descendants(kind: type[InkwellError]) -> list[type[InkwellError]]:
    """Return the class and all its subclasses, except errors of scripts that other tests may have imported."""
    children = [child for child in kind.__subclasses__() if child.__module__ == errors.__name__]
    return [kind, *(each for child in children for each in descendants(child))]


TREE = descendants(InkwellError)


def test_the_drawing_in_the_docstring_is_the_tree():
    lines = [re.match(r"( *)[│ ├└─]*([A-Z]\w+)", line) for line in errors.__doc__.splitlines()]
    drawn = [(match.start(2), match.group(2)) for match in lines if match and match.start(2) >= 4]
    parents: dict[str, str] = {}
    line_of_descent: list[tuple[int, str]] = []
    for depth, name in drawn:
        line_of_descent = [(level, above) for level, above in line_of_descent if level < depth] + [(depth, name)]
        parents[name] = line_of_descent[-2][1] if len(line_of_descent) > 1 else "Exception"
    assert parents == {kind.__name__: kind.__base__.__name__ for kind in TREE}


def test_every_class_has_a_code_of_its_own_and_says_what_it_means():
    assert all("code" in vars(kind) and vars(kind)["__doc__"] for kind in TREE)
    assert len({kind.code for kind in TREE}) == len(TREE)


@pytest.mark.parametrize("kind", error_kinds(), ids=lambda kind: kind.__name__)
def test_a_code_leads_back_to_its_class(kind: type[InkwellError]):
    error = error_of(kind.code, "a message", "a cause")
    assert (type(error), error.message, error.cause, str(error)) == (kind, "a message", "a cause", "a message")


def test_an_unknown_code_is_a_failure_of_the_engine():
    assert type(error_of("no_such_code", "a message")) is EngineFailed


def test_a_message_and_a_cause_are_kept_apart():
    error = ModelCorrupt("for the client", cause="/a/path: for the operator")
    assert "/a/path" not in str(error) and error.param is None
