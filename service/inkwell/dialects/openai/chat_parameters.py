"""`/v1/chat/completions`: its table, and the reading of its body."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from inkwell.dialects.openai.messages import SCHEMA, messages
from inkwell.dialects.openai.parameters import (
    MODEL,
    OWN,
    SAMPLING_ROWS,
    STOP,
    STREAMING,
    USAGE,
    USER,
    N,
    check_stream_options,
    generation_request,
    without,
)
from inkwell.errors import InvalidParameter
from inkwell.parameters.parameter import Parameter, checked_text, wrong_type
from inkwell.parameters.reading import read_json
from inkwell.parameters.request import Generate, GenerationRequest
from inkwell.parameters.table import BY_NAME
from inkwell.parameters.transcript import MAX_TEMPLATE_CHARACTERS, TEMPLATE, ChatTemplate, Message, check_template

NO_TOOLS, TEXT_ALONE = "these models call no tools", "these models read and write text alone"
NO_STORE, NO_REASONING = "nothing is stored here", "these models only continue a text"
REFUSED = {
    "tools": NO_TOOLS, "tool_choice": NO_TOOLS, "parallel_tool_calls": NO_TOOLS,
    "functions": NO_TOOLS, "function_call": NO_TOOLS, "web_search_options": NO_TOOLS,
    "response_format": 'the text follows no grammar; only {"type": "text"} can be kept',
    "audio": TEXT_ALONE, "modalities": TEXT_ALONE,
    "store": NO_STORE, "metadata": NO_STORE,
    "reasoning_effort": NO_REASONING, "verbosity": NO_REASONING, "prediction": NO_REASONING,
    "service_tier": "there is one tier",
    "prompt_cache_key": "beginnings that were computed before are found without it",
    "truncate": "max_turns and chat_overflow shorten a chat",
}  # fmt: skip
NEUTRAL: Mapping[str, tuple[Any, ...]] = {
    "tools": ([],),
    "functions": ([],),
    "tool_choice": ("none", "auto"),
    "function_call": ("none", "auto"),
    "parallel_tool_calls": (True, False),
    "response_format": ({"type": "text"},),
    "modalities": (["text"],),
    "store": (False,),
    "metadata": ({},),
    "service_tier": ("auto", "default"),
}
_NAME_CHARACTERS = 64
_TEMPLATE_FIELDS = ("user", "assistant", "template", "max_turns", "overflow")


@dataclass(frozen=True, slots=True)
class Chat:
    """What was asked of `/v1/chat/completions`. `length_name` is the client's name for the most tokens."""

    messages: tuple[Message, ...]
    chat_template: ChatTemplate
    include_usage: bool
    length_name: str
    _request: GenerationRequest[Generate]

    @property
    def model_name(self) -> str | None:
        return self._request.model_name

    @property
    def stream(self) -> bool:
        return self._request.stream

    def reserve(self, context: int) -> int:
        """Tokens of the context that the transcript should leave: those that were asked for, else a quarter."""
        asked = self._request.task.length
        if asked is None or self._request.on_overflow == "slide":
            return min(asked or context, context // 4)
        return asked

    @property
    def effective(self) -> dict[str, Any]:
        """How the conversation was written down, by the names that a further request would use."""
        return {
            "user_name": self.chat_template.user,
            "assistant_name": self.chat_template.assistant,
            "template": self.chat_template.template,
            "max_turns": self.chat_template.max_turns,
            "chat_overflow": self.chat_template.overflow,
        }

    def asking(self, transcript: str) -> GenerationRequest[Generate]:
        """The request for the next message of a transcript."""
        return replace(self._request, prompts=(transcript,))


def _name(row: Parameter, given: Any) -> str:
    if not isinstance(given, str):
        raise wrong_type(row, given)
    if not given.strip() or len(given) > _NAME_CHARACTERS or len(given.splitlines()) > 1:
        message = f"{row.name} must be one line of at most {_NAME_CHARACTERS} characters"
        raise InvalidParameter(message, param=row.name)
    return checked_text(row, given).strip()


def _template(row: Parameter, given: Any) -> str:
    if not isinstance(given, str):
        raise wrong_type(row, given)
    try:
        return check_template(checked_text(row, given))
    except ValueError as error:
        raise InvalidParameter(f"{row.name} {error}", param=row.name) from None


_LENGTH = replace(
    BY_NAME["length"], name="max_completion_tokens", target="max_completion_tokens",
    help="Maximum number of new tokens. Default: what the conversation leaves of the context window, at most half.",
)  # fmt: skip
_TEXT = {"type": "string"}
_TEMPLATE = _TEXT | {"pattern": r"\{name\}[\s\S]*\{text\}", "maxLength": MAX_TEMPLATE_CHARACTERS}
PARAMETERS = (
    MODEL,
    Parameter(
        "messages", "array", None,
        "The conversation, the oldest message first: system (or developer), user and assistant, with texts alone. What "
        "the system says stands at the top of the transcript, wherever it is said.",
        [{"role": "system", "content": "A traveller meets a fairy."}, {"role": "user", "content": "Who are you?"}],
        required=True, parse=messages, schema=SCHEMA,
    ),
    _LENGTH,
    replace(_LENGTH, name="max_tokens", target="length", help="An older name of max_completion_tokens."),
    *SAMPLING_ROWS,
    N,
    replace(STOP, help=f"{STOP.help} What would begin the next message of the transcript always ends it as well."),
    Parameter("logprobs", "boolean", False, "Return the log-probability of each token.", True),
    replace(
        BY_NAME["logprobs"], name="top_logprobs", target="top_logprobs",
        help="With logprobs: also return this many alternatives per position.",
    ),
    *STREAMING,
    USER,
    replace(USER, name="safety_identifier", target="user"),
    *OWN,
    Parameter("user_name", "string", None,
              "The user's name in the transcript. Default: INKWELL_CHAT_USER, initially User.", "Traveller",
              target="user_role", parse=_name, schema=_TEXT),
    Parameter("assistant_name", "string", None,
              "The model's name in the transcript. Default: INKWELL_CHAT_ASSISTANT, initially Assistant.", "Fairy",
              target="assistant", parse=_name, schema=_TEXT),
    Parameter("template", "string", None,
              f"How a message is written. Default: INKWELL_CHAT_TEMPLATE, initially {TEMPLATE}.", TEMPLATE,
              parse=_template, schema=_TEMPLATE),
    Parameter("max_turns", "integer", None,
              "The newest rounds that the model is shown; 0 shows all. Default: INKWELL_CHAT_MAX_TURNS, initially 0.",
              8, low=0, high=10_000),
    Parameter("chat_overflow", "string", None,
              "When the conversation does not fit the model: drop the oldest rounds, never the system's messages "
              "(drop), or refuse it (error). Default: INKWELL_CHAT_OVERFLOW, initially drop.",
              "drop", choices=("drop", "error"), target="overflow"),
)  # fmt: skip


def parse_chat(values: Mapping[str, Any], chat_template: ChatTemplate) -> Chat:
    """What the body of a request asks for; `chat_template` applies where it is silent. Raises RequestErrors."""
    fields = read_json(PARAMETERS, without(values, NEUTRAL), REFUSED)
    del fields["user"]
    fields["user"] = fields.pop("user_role")
    own = {name: value for name in _TEMPLATE_FIELDS if (value := fields.pop(name)) is not None}
    said, include_usage = fields.pop("messages"), fields.pop(USAGE)
    chat_template = replace(chat_template, **own)
    length_name = "max_tokens" if fields["length"] is not None else "max_completion_tokens"
    fields |= {
        "prompts": (),
        "length": _length(fields["length"], fields.pop("max_completion_tokens")),
        "logprobs": _logprobs(fields["logprobs"], fields.pop("top_logprobs")),
        "stop": (*fields["stop"], *chat_template.stops),
        "trim_start": True,
    }
    request = generation_request(fields)
    check_stream_options(values, request)
    return Chat(said, chat_template, include_usage, length_name, request)


def _length(old: int | None, new: int | None) -> int | None:
    if old is not None and new is not None and old != new:
        message = f"max_tokens is {old} and max_completion_tokens {new}; they mean the same"
        raise InvalidParameter(message, param="max_tokens")
    return new if old is None else old


def _logprobs(wanted: bool, top: int | None) -> int | None:
    if top is not None and not wanted:
        raise InvalidParameter("top_logprobs needs logprobs", param="top_logprobs")
    return (top or 0) if wanted else None
