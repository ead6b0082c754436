"""Prompts made to fit: texts to token ids, cut as the request allows, with room for what is to be generated.

Takes a `GenerationRequest` and a model, gives a `Prompt` for each of its prompts, or raises why they do not fit.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from inkwell.errors import ContextLengthExceeded, InvalidParameter
from inkwell.models.model_store import Model
from inkwell.parameters import GenerationRequest


@dataclass(frozen=True, slots=True)
class FieldNames:
    """What the dialect of a request calls the fields that messages name."""

    prompt: str = "input_text"
    length: str = "length"
    model: str = "model_name"


@dataclass(frozen=True, slots=True)
class Prompt:
    """One prompt as the model gets it, and how much may follow."""

    tokens: tuple[int, ...]
    length: int  # most tokens to generate, those aside that may end a sentence
    dropped: int  # tokens that were cut off its beginning


def fitted(request: GenerationRequest, model: Model, names: FieldNames) -> list[Prompt]:
    """The request's prompts; raises ContextLengthExceeded or InvalidParameter."""
    return [_fit(_encoded(prompt, model, names), request, model, names) for prompt in request.prompts]


def _encoded(prompt: str | tuple[int, ...], model: Model, names: FieldNames) -> Sequence[int]:
    if isinstance(prompt, str):
        tokens: Sequence[int] = model.tokenizer.encode(prompt)
    else:
        tokens = prompt
        strange = next((token for token in tokens if not 0 <= token < model.config.vocab_size), None)
        if strange is not None:
            size = model.config.vocab_size
            message = f"{names.prompt} holds the token {strange}; {model.name} has tokens from 0 to {size - 1}"
            raise InvalidParameter(message, param=names.prompt)
    if not tokens:  # a tokenizer with a normaliser may leave nothing of the text
        raise InvalidParameter(f"{names.prompt} has no token in the vocabulary of {model.name}", param=names.prompt)
    return tokens


def _fit(tokens: Sequence[int], request: GenerationRequest, model: Model, names: FieldNames) -> Prompt:
    context = model.config.context
    kept = tokens[-request.truncate :] if request.truncate else tokens
    if request.on_overflow != "error":
        kept = kept[-_most_kept(request, context) :]
    _check(len(kept), request, model, names)
    room = context - len(kept)
    length = min(context // 2, room) if request.length is None else request.length
    return Prompt(tuple(kept), length, len(tokens) - len(kept))


def _most_kept(request: GenerationRequest, context: int) -> int:
    """Tokens of a prompt that is cut: with `slide` as many as leave room for one, else for all that is wanted."""
    if request.on_overflow == "slide":
        return context - 1
    wanted = context // 2 if request.length is None else request.length
    return max(context - max(wanted, 1), 1)


def _check(prompt_tokens: int, request: GenerationRequest, model: Model, names: FieldNames) -> None:
    context, scored = model.config.context, request.length == 0
    if prompt_tokens > context or (prompt_tokens == context and not scored):
        left = "" if scored else ", and one must be left to generate"
        message = f"{names.prompt} has {prompt_tokens} tokens; {model.name} takes {context}{left}"
        raise ContextLengthExceeded(message, param=names.prompt)
    room = context - prompt_tokens
    if request.length is not None and request.length > room and request.on_overflow != "slide":
        raise ContextLengthExceeded(
            f"{names.prompt} has {prompt_tokens} tokens and {names.length} asks for {request.length} more; "
            f"{model.name} takes {context} in all, so {names.length} can be {room} at most",
            param=names.length,
        )
