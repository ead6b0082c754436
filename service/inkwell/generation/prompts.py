"""Tokenises prompts and fits them into the context: truncates as the request allows, with room for generated tokens.

Takes a `GenerationRequest` and a model, returns a `PromptState` for each prompt, or raises if one does not fit.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from inkwell.errors import ContextLengthExceeded, InvalidParameter
from inkwell.generation.prompt_state import PromptState
from inkwell.models.model_store import Model
from inkwell.parameters import Generate, GenerationRequest, Task


@dataclass(frozen=True, slots=True)
class FieldNames:
    """The names that the request's dialect uses for the fields in error messages."""

    prompt: str = "input_text"
    length: str = "length"
    model: str = "model_name"


def fitted(request: GenerationRequest[Task], model: Model, names: FieldNames) -> list[PromptState]:
    """The request's prompts; raises ContextLengthExceeded or InvalidParameter."""
    found = []
    for number, prompt in enumerate(request.prompts):
        tokens = _encoded(prompt, model, names)
        kept = _truncated(tokens, request, model.config.context)
        _check(len(kept), request, model, names)
        found.append(PromptState(number, kept, len(tokens) - len(kept), model.tokenizer))
    return found


def text_lengths(task: Task, prompts: Sequence[PromptState], context: int) -> list[int]:
    """Maximum number of tokens of each prompt's texts, without those that may complete a sentence.

    Empty for a task that generates nothing.
    """
    if not isinstance(task, Generate):
        return []
    if task.length is not None:
        return [task.length] * len(prompts)
    return [min(context // 2, context - len(prompt.tokens)) for prompt in prompts]


def _encoded(prompt: str | tuple[int, ...], model: Model, names: FieldNames) -> Sequence[int]:
    if isinstance(prompt, str):
        tokens: Sequence[int] = model.tokenizer.encode(prompt)
    else:
        tokens = prompt
        unknown = next((token for token in tokens if not 0 <= token < model.config.vocab_size), None)
        if unknown is not None:
            size = model.config.vocab_size
            message = f"{names.prompt} holds the token {unknown}; {model.name} has tokens from 0 to {size - 1}"
            raise InvalidParameter(message, param=names.prompt)
    if not tokens:  # a tokenizer's normaliser may remove the whole text
        raise InvalidParameter(f"{names.prompt} has no token in the vocabulary of {model.name}", param=names.prompt)
    return tokens


def _truncated(tokens: Sequence[int], request: GenerationRequest[Task], context: int) -> Sequence[int]:
    kept = tokens[-request.truncate :] if request.truncate else tokens
    return kept if request.on_overflow == "error" else kept[-_most_kept(request, context) :]


def _most_kept(request: GenerationRequest[Task], context: int) -> int:
    """Maximum size of a truncated prompt: `slide` leaves room for one token, `truncate_left` for the whole text."""
    if request.on_overflow == "slide" or not isinstance(request.task, Generate):
        return max(context - 1, 1)
    wanted = context // 2 if request.task.length is None else request.task.length
    return max(context - wanted, 1)


def _check(prompt_tokens: int, request: GenerationRequest[Task], model: Model, names: FieldNames) -> None:
    context = model.config.context
    length, left = None, ""
    if isinstance(request.task, Generate):
        length, left = request.task.length, ", and at least one must be generated"
    if prompt_tokens > context or (prompt_tokens == context and left):
        message = f"{names.prompt} has {prompt_tokens} tokens; {model.name} takes {context}{left}"
        raise ContextLengthExceeded(message, param=names.prompt)
    room = context - prompt_tokens
    if length is not None and length > room and request.on_overflow != "slide":
        raise ContextLengthExceeded(
            f"{names.prompt} has {prompt_tokens} tokens and {names.length} asks for {length} more; "
            f"{model.name} takes {context} in all, so {names.length} can be {room} at most",
            param=names.length,
        )
