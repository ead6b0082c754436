"""TGI's replies: pure functions from a generation and its events to JSON.

In TGI the end-of-text token is one of a text's tokens. Here it is not, so a stream that ends without another token
closes with an end-of-text token that is marked `special` and has no log-probability.
"""

from collections.abc import Sequence
from typing import Any

from inkwell.generation import Choice, Finish, Generation, PromptState, TextEvent, TextToken
from inkwell.http.replies import metadata
from inkwell.parameters import Generate

FINISH_REASONS = {"stop": "eos_token", "stop_sequence": "stop_sequence"}  # all others: length
Shape = dict[str, Any]


def reply(generation: Generation[Generate], details: bool) -> Shape:
    """A whole reply."""
    best = generation.best[0]
    value: Shape = {"generated_text": _text(generation, best)}
    if details:
        others = [choice for choice in generation.choices if choice is not best]
        value["details"] = _sequence(generation, best)
        if others:
            value["details"]["best_of_sequences"] = [
                {"generated_text": _text(generation, choice)} | _sequence(generation, choice) for choice in others
            ]
    return value | {"inkwell": metadata(generation)}


class StreamShape:
    """The events of one stream: one per token, the last of which has the fields that close the stream."""

    def __init__(self, generation: Generation[Generate], details: bool) -> None:
        self._generation = generation
        self._details = details
        self._index = 0
        self._text = ""  # generated, and not yet assigned to a token
        self._base = 0  # characters assigned to tokens

    def last(self) -> list[Shape]:
        """None: the last token's event closes the stream."""
        return []

    def frames(self, event: TextEvent) -> list[Shape]:
        """The events of a piece of text. The concatenated texts of all tokens are the generated text."""
        self._text += event.text
        frames = self._tokens(event.tokens)
        if event.finish:
            frames = frames or [self._event(self._closing_token(), [])]
            frames[-1] |= self._end(event.finish)
        return frames

    def _tokens(self, tokens: Sequence[TextToken]) -> list[Shape]:
        texts = _pieces(tokens, self._text, self._base)
        if tokens:
            self._base, self._text = self._base + len(self._text), ""
        special = self._generation.model.config.eos_token_ids
        return [
            self._event(_token(token, text, special), _top_tokens(self._generation, token))
            for token, text in zip(tokens, texts, strict=True)
        ]

    def _event(self, token: Shape, top: list[Shape]) -> Shape:
        self._index += 1
        value = {"index": self._index, "token": token}
        return value | ({"top_tokens": top} if top else {}) | {"generated_text": None, "details": None}

    def _closing_token(self) -> Shape:
        token = self._generation.model.config.eos_token_id
        return {"id": token, "text": self._text, "logprob": None, "special": True}

    def _end(self, finish: Finish) -> Shape:
        generation, choice = self._generation, self._generation.choices[0]
        value: Shape = {"generated_text": _text(generation, choice)}
        if self._details:
            value["details"] = {
                "finish_reason": FINISH_REASONS.get(finish, "length"),
                "generated_tokens": choice.generated,
                "seed": _seed(generation),
                "input_length": len(choice.prompt.tokens),
            }
        return value | {"inkwell": metadata(generation)}


def _sequence(generation: Generation[Generate], choice: Choice) -> Shape:
    """The details of one text."""
    special = generation.model.config.eos_token_ids
    texts = _pieces(choice.tokens, choice.text, 0)
    value: Shape = {
        "finish_reason": FINISH_REASONS.get(str(choice.finish), "length"),
        "generated_tokens": choice.generated,
        "seed": _seed(generation),
        "prefill": _prefill(generation, choice.prompt),
        "tokens": [_token(token, text, special) for token, text in zip(choice.tokens, texts, strict=True)],
    }
    if generation.task.logprobs:
        value["top_tokens"] = [_top_tokens(generation, token) for token in choice.tokens]
    return value


def _text(generation: Generation[Generate], choice: Choice) -> str:
    prompt = generation.request.prompts[0] if generation.task.echo else ""
    assert isinstance(prompt, str), "the dialect takes no token ids"
    return prompt + choice.text


def _seed(generation: Generation[Generate]) -> int | None:
    """TGI has no seed with greedy decoding."""
    return None if generation.task.sampling.greedy else generation.task.seed


def _prefill(generation: Generation[Generate], prompt: PromptState) -> list[Shape]:
    """The prompt's tokens, which are the same for every text of the request."""
    if generation.task.prompt_logprobs is None:
        return []
    tokens = prompt.text_tokens()
    return [{"id": token.id, "text": token.text, "logprob": token.logprob} for token in tokens]


def _top_tokens(generation: Generation[Generate], token: TextToken) -> list[Shape]:
    tokenizer, special = generation.model.tokenizer, generation.model.config.eos_token_ids
    return [
        {"id": id_, "text": tokenizer.spelling(id_).decode(errors="replace"), "logprob": logprob,
         "special": id_ in special}
        for id_, logprob in token.top
    ]  # fmt: skip


def _token(token: TextToken, text: str, special: Sequence[int]) -> Shape:
    return {"id": token.id, "text": text, "logprob": token.logprob, "special": token.id in special}


def _pieces(tokens: Sequence[TextToken], text: str, base: int) -> list[str]:
    """Split `text`, which begins at character `base`, among its tokens, without gaps or overlaps.

    A character belongs to the token that completes it.
    """
    if not tokens:
        return []
    starts = [0, *(min(max(token.offset - base, 0), len(text)) for token in tokens[1:])]
    return [text[start:end] for start, end in zip(starts, [*starts[1:], len(text)], strict=True)]
