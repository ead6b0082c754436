"""Reads the messages of a chat: their roles and texts."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from inkwell.errors import InvalidParameter, UnknownParameter, UnsupportedParameter
from inkwell.parameters.parameter import Parameter, checked_text
from inkwell.parameters.reading import readable
from inkwell.parameters.transcript import Message, Role

MAX_MESSAGES = 4_096
ROLES: Mapping[str, Role] = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant"}
REFUSED_ROLES = ("tool", "function")
# Values without meaning, which clients send because they return the messages that they received unchanged.
NEUTRAL: Mapping[str, tuple[Any, ...]] = {
    "refusal": (None,),
    "annotations": (None, []),
    "audio": (None,),
    "function_call": (None,),
    "tool_calls": (None, []),
    "name": (None,),
}
REFUSED = {
    "name": "use user_name and assistant_name to name the speakers",
    "tool_calls": "these models call no tools",
    "function_call": "these models call no functions",
    "audio": "these models read only text",
    "annotations": "these models read only text",
    "refusal": "these models have no refusals",
}
_PART = {
    "type": "object",
    "required": ["type", "text"],
    "properties": {"type": {"type": "string", "enum": ["text"]}, "text": {"type": "string"}},
}
SCHEMA: Mapping[str, Any] = {
    "type": "array",
    "minItems": 1,
    "maxItems": MAX_MESSAGES,
    "items": {
        "type": "object",
        "required": ["role", "content"],
        "properties": {
            "role": {"type": "string", "enum": list(ROLES)},
            "content": {"oneOf": [{"type": "string"}, {"type": "array", "minItems": 1, "items": _PART}]},
        },
    },
}


def messages(row: Parameter, given: Any) -> tuple[Message, ...]:
    """A list of messages, the oldest first; the role `developer` is the same as `system`."""
    if not isinstance(given, list) or not given:
        raise InvalidParameter(f"{row.name} must be a list of one or more messages", param=row.name)
    if len(given) > MAX_MESSAGES:
        raise InvalidParameter(f"{row.name} may hold {MAX_MESSAGES}; it holds {len(given)}", param=row.name)
    return tuple(_message(replace(row, name=f"{row.name}[{place}]"), each) for place, each in enumerate(given))


def _message(row: Parameter, given: Any) -> Message:
    if not isinstance(given, dict):
        raise InvalidParameter(f"{row.name} must be an object with role and content", param=row.name)
    role = _role(row, given.get("role"))
    for name, value in given.items():
        param = f"{row.name}.{readable(name)}"
        if name in REFUSED and value not in NEUTRAL[name]:
            raise UnsupportedParameter(f"{param} is not supported: {REFUSED[name]}", param=param)
        if name not in REFUSED and name not in ("role", "content"):
            raise UnknownParameter(f"unknown field {param}; known are role and content", param=param)
    return Message(role, _content(_field(row, "content"), given.get("content")))


def _role(row: Parameter, given: Any) -> Role:
    param = f"{row.name}.role"
    if given in REFUSED_ROLES:
        raise UnsupportedParameter(f"{param} {given} is not supported: these models call no tools", param=param)
    if not isinstance(given, str) or given not in ROLES:
        raise InvalidParameter(f"{param} must be one of {', '.join(ROLES)}", param=param)
    return ROLES[given]


def _content(row: Parameter, given: Any) -> str:
    """A text, or text parts, which are joined by line breaks."""
    if isinstance(given, str):
        return checked_text(row, given)
    if not isinstance(given, list) or not given:
        raise InvalidParameter(f"{row.name} must be a string or a list of text parts", param=row.name)
    parts = [_part(replace(row, name=f"{row.name}[{place}]"), part) for place, part in enumerate(given)]
    return checked_text(row, "\n".join(parts))


def _part(row: Parameter, given: Any) -> str:
    if not isinstance(given, dict) or not isinstance(given.get("type"), str):
        raise InvalidParameter(f"{row.name} must be an object with type and text", param=row.name)
    if given["type"] != "text":
        message = f"{row.name}.type must be text: these models read only text"
        raise UnsupportedParameter(message, param=f"{row.name}.type")
    if given.keys() != {"type", "text"} or not isinstance(given["text"], str):
        raise InvalidParameter(f"{row.name} must hold type and text, a string, and nothing else", param=row.name)
    return given["text"]


def _field(row: Parameter, name: str) -> Parameter:
    return replace(row, name=f"{row.name}.{name}", may_be_empty=True)
