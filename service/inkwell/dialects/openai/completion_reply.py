"""The choices of `/v1/completions`: texts, the prompt's echo, and log-probabilities with their places in the text."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace

from inkwell.dialects.openai.reply import REASONS, Json, Reply, ReplyOptions
from inkwell.generation import Choice, Generation, TextEvent, TextToken

Spelling = Callable[[int], bytes]


class CompletionReply(Reply):
    """A text completion."""

    PREFIX, OBJECT, CHUNK = "cmpl", "text_completion", "text_completion"

    def __init__(self, generation: Generation, options: ReplyOptions) -> None:
        super().__init__(generation, options)
        self._echo = generation.request.echo
        self._shifts: dict[int, int] = {}  # characters of the echo, by choices that have begun
        self._waiting: defaultdict[int, list[TextEvent]] = defaultdict(list)  # by the choice that they wait for

    def choice(self, index: int, choice: Choice) -> Json:
        echo, tokens = self._opening(choice)
        return self._shape(index, echo + choice.text, [*tokens, *_shifted(choice.tokens, len(echo))], choice)

    def pieces(self, event: TextEvent) -> list[Json]:
        """An echo with log-probabilities waits for the first text of its prompt, which alone knows them."""
        choice = self.generation.choices[event.choice]
        first = self._first(choice)
        if self._echo and self.options.logprobs and choice is not first and first.number not in self._shifts:
            self._waiting[first.number].append(event)
            return []
        return [self._piece(each) for each in (event, *self._waiting.pop(event.choice, ()))]

    def _piece(self, event: TextEvent) -> Json:
        choice = self.generation.choices[event.choice]
        echo, tokens = ("", []) if event.choice in self._shifts else self._opening(choice)
        shift = self._shifts.setdefault(event.choice, len(echo))
        told = [*tokens, *_shifted(event.tokens, shift)]
        return self._shape(event.choice, echo + event.text, told, choice if event.finish else None)

    def _opening(self, choice: Choice) -> tuple[str, list[TextToken]]:
        """What stands before the text of a choice: the echo, if one was asked for."""
        if not self._echo:
            return "", []
        return choice.prompt_text, self._first(choice).prompt_tokens() if self.options.logprobs else []

    def _shape(self, index: int, text: str, tokens: Sequence[TextToken], ended: Choice | None) -> Json:
        return {
            "text": text,
            "index": index,
            "logprobs": logprobs(tokens, self.spelling) if self.options.logprobs else None,
            "finish_reason": REASONS[ended.finish] if ended and ended.finish else None,
        }

    def _first(self, choice: Choice) -> Choice:
        """The first text of the same prompt: it tells the prompt's log-probabilities for all."""
        return next(first for first in self.generation.choices if first.prompt is choice.prompt)


def logprobs(tokens: Sequence[TextToken], spelling: Spelling) -> Json:
    """OpenAI's four lists, one entry a token. The first token of a prompt has no probability."""
    return {
        "tokens": [token_text(token.data) for token in tokens],
        "token_logprobs": [token.logprob for token in tokens],
        "top_logprobs": [_likeliest(token, spelling) for token in tokens],
        "text_offset": [token.offset for token in tokens],
    }


def token_text(data: bytes) -> str:
    """A token as text; one that holds but a part of a character as its bytes, as OpenAI writes it."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return "bytes:" + "".join(f"\\x{byte:02x}" for byte in data)


def _likeliest(token: TextToken, spelling: Spelling) -> dict[str, float] | None:
    """The likeliest tokens and the token itself, the likeliest first."""
    if token.logprob is None:
        return None
    found = {token_text(spelling(other)): logprob for other, logprob in token.top}
    return found | {token_text(token.data): token.logprob}


def _shifted(tokens: Sequence[TextToken], characters: int) -> list[TextToken]:
    """The tokens of a text that stands behind so many characters of an echo."""
    return [replace(token, offset=token.offset + characters) for token in tokens]
