"""The parameters of `/v1/score`: a text, or a prompt with several continuations."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from inkwell.errors import InvalidParameter
from inkwell.parameters.parameter import Parameter, checked_text
from inkwell.parameters.reading import read_json
from inkwell.parameters.table import BY_NAME

MAX_CONTINUATIONS = 16


def _texts(row: Parameter, given: Any) -> tuple[str, ...]:
    """A list of 1 to 16 non-empty strings."""
    if not isinstance(given, list) or not all(isinstance(value, str) for value in given):
        raise InvalidParameter(f"{row.name} must be a list of strings", param=row.name)
    if not 1 <= len(given) <= MAX_CONTINUATIONS:
        message = f"{row.name} must hold between 1 and {MAX_CONTINUATIONS} strings; it holds {len(given)}"
        raise InvalidParameter(message, param=row.name)
    return tuple(checked_text(row, value) for value in given)


TEXTS_SCHEMA = {
    "type": "array",
    "items": {"type": "string", "minLength": 1},
    "minItems": 1,
    "maxItems": MAX_CONTINUATIONS,
}
SCORE_PARAMETERS = (
    replace(
        BY_NAME["input_text"], name="text", required=False, help="The text to score; or give prompt and continuations."
    ),
    Parameter(
        "from_start", "boolean", False,
        "Of a text: put the model's end-of-text token before it, so that its first token is scored too.", True,
    ),
    Parameter(
        "prompt", "string", None, "The text before the continuations; may be empty.", "Once upon a", may_be_empty=True
    ),
    Parameter(
        "continuations", "array", None, f"Up to {MAX_CONTINUATIONS} texts to compare.", [" time", " king", " xyz"],
        parse=_texts, schema=TEXTS_SCHEMA,
    ),
    replace(BY_NAME["model_name"], name="model", target="model_name"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ScoreRequest:
    """What to score: `text` alone, or each of `continuations` after `prompt`."""

    model_name: str | None
    text: str | None
    from_start: bool
    prompt: str | None
    continuations: tuple[str, ...] | None


def parse_score(values: Mapping[str, Any]) -> ScoreRequest:
    """A request from a JSON object; raises RequestErrors."""
    wanted = ScoreRequest(**read_json(SCORE_PARAMETERS, values))
    if wanted.text is None:
        _check_continuations(wanted)
    elif wanted.prompt is not None or wanted.continuations is not None:
        raise InvalidParameter("give either text, or prompt and continuations", param="text")
    return wanted


def _check_continuations(wanted: ScoreRequest) -> None:
    if wanted.prompt is None and wanted.continuations is None:
        raise InvalidParameter("text is missing; or give prompt and continuations", param="text")
    if wanted.prompt is None:
        raise InvalidParameter("prompt is missing; it may be empty", param="prompt")
    if wanted.continuations is None:
        raise InvalidParameter("continuations is missing", param="continuations")
    if wanted.from_start:
        raise InvalidParameter("from_start belongs to a text, not to continuations", param="from_start")
