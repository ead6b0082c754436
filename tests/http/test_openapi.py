"""Schemas that are derived from the types of replies."""

from dataclasses import dataclass
from typing import Annotated, Literal

import pytest

from inkwell.http.openapi import json_reply, reply_schema


@dataclass(frozen=True, slots=True)
class Leaf:
    size: Annotated[int | None, "In bytes."]


@dataclass(frozen=True, slots=True)
class Tree:
    kind: Literal["oak", "elm"]
    leaves: list[Leaf]
    name: str = ""


LEAF = {
    "type": "object",
    "required": ["size"],
    "properties": {"size": {"type": "integer", "nullable": True, "description": "In bytes."}},
}
TREE = {
    "type": "object",
    "required": ["kind", "leaves", "name"],
    "properties": {
        "kind": {"type": "string", "enum": ["oak", "elm"]},
        "leaves": {"type": "array", "items": LEAF},
        "name": {"type": "string"},
    },
}


@pytest.mark.parametrize(
    ("kind", "schema"),
    [
        (str, {"type": "string"}),
        (int, {"type": "integer"}),
        (str | None, {"type": "string", "nullable": True}),
        (Literal["oak"] | None, {"type": "string", "nullable": True, "enum": ["oak", None]}),
        (list[int], {"type": "array", "items": {"type": "integer"}}),
        (Leaf, LEAF),
        (Tree, TREE),
    ],
)
def test_a_type_has_its_schema(kind: object, schema: dict):
    assert reply_schema(kind) == schema


@pytest.mark.parametrize("kind", [bytes, dict[str, int], int | str, object])
def test_a_type_that_json_does_not_have_is_refused(kind: object):
    with pytest.raises(TypeError):
        reply_schema(kind)


@pytest.mark.parametrize("reply", [Tree, TREE])
def test_a_reply_is_described_by_a_type_or_a_schema(reply: object):
    assert json_reply("A tree.", reply)["content"]["application/json"]["schema"] == TREE
