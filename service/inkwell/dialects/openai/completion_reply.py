"""The choices of `/v1/completions`: texts, the prompt's echo, and log-probabilities with their offsets in the text."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace

from inkwell.dialects.openai.reply import REASONS, Json, Reply, ReplyOptions, TextReply
from inkwell.generation import Choice, Finish, Generation, PromptState, TextEvent, TextToken
from inkwell.parameters import Generate, Score

Spelling = Callable[[int], bytes]


PREFIX, OBJECT = "cmpl", "text_completion"


class CompletionReply(TextReply):
    """A text completion."""

    PREFIX, OBJECT, CHUNK = PREFIX, OBJECT, OBJECT

    def __init__(self, generation: Generation[Generate], options: ReplyOptions) -> None:
        super().__init__(generation, options)
        self._echo = generation.task.echo
        self._shifts: dict[int, int] = {}  # characters of the echo, by choices that have begun
        self._waiting: defaultdict[int, list[TextEvent]] = defaultdict(list)  # for the first text, by prompt
        self._begun: set[int] = set()  # prompts whose first text has begun

    def choice(self, index: int, choice: Choice) -> Json:
        echo, tokens = self._opening(choice)
        tokens = [*tokens, *_shifted(choice.tokens, len(echo))]
        return self._shape(index, echo + choice.text, tokens, choice.finish)

    def pieces(self, event: TextEvent) -> list[Json]:
        """An echo with log-probabilities waits for the first choice of its prompt, the only one that has them."""
        choice = self.generation.choices[event.choice]
        prompt = choice.prompt.number
        if choice.first:
            self._begun.add(prompt)
        elif self._echo and self.options.logprobs and prompt not in self._begun:
            self._waiting[prompt].append(event)
            return []
        return [self._piece(each) for each in (event, *self._waiting.pop(prompt, ()))]

    def _piece(self, event: TextEvent) -> Json:
        choice = self.generation.choices[event.choice]
        echo, tokens = ("", []) if event.choice in self._shifts else self._opening(choice)
        shift = self._shifts.setdefault(event.choice, len(echo))
        tokens = [*tokens, *_shifted(event.tokens, shift)]
        return self._shape(event.choice, echo + event.text, tokens, event.finish)

    def _opening(self, choice: Choice) -> tuple[str, list[TextToken]]:
        """The text and tokens before those of a choice: the echo of the prompt, if it was requested."""
        if not self._echo:
            return "", []
        return choice.prompt.text, choice.prompt.text_tokens() if self.options.logprobs else []

    def _shape(self, index: int, text: str, tokens: Sequence[TextToken], finish: Finish | None) -> Json:
        return _shape(index, text, logprobs(tokens, self.spelling) if self.options.logprobs else None, finish)


class ScoredPromptsReply(Reply):
    """A text completion without a generated token: `n` equal choices for each prompt, which echo it."""

    PREFIX, OBJECT, CHUNK = PREFIX, OBJECT, OBJECT

    def __init__(self, generation: Generation[Score], options: ReplyOptions, n: int) -> None:
        super().__init__(generation, options)
        self._n = n

    def choices(self) -> list[Json]:
        prompts = [prompt for prompt in self._generation.prompts for _ in range(self._n)]
        return [self._choice(index, prompt) for index, prompt in enumerate(prompts)]

    def frames(self, event: TextEvent) -> list[Json]:
        raise AssertionError("a score has no texts")

    def last(self) -> list[Json]:
        chunks = [self._chunk(choice) for choice in self.choices()]
        if not self.options.include_usage:
            chunks[-1]["inkwell"] = self._metadata()
        return chunks + self._usage_chunk()

    def _choice(self, index: int, prompt: PromptState) -> Json:
        scores = logprobs(prompt.text_tokens(), self.spelling) if self.options.logprobs else None
        return _shape(index, prompt.text, scores, "length")


def _shape(index: int, text: str, logprobs: Json | None, finish: Finish | None) -> Json:
    reason = REASONS[finish] if finish else None
    return {"text": text, "index": index, "logprobs": logprobs, "finish_reason": reason}


def logprobs(tokens: Sequence[TextToken], spelling: Spelling) -> Json:
    """OpenAI's four lists, with one entry per token. The first token of a prompt has no log-probability."""
    return {
        "tokens": [token_text(token.data) for token in tokens],
        "token_logprobs": [token.logprob for token in tokens],
        "top_logprobs": [_top_logprobs(token, spelling) for token in tokens],
        "text_offset": [token.offset for token in tokens],
    }


def token_text(data: bytes) -> str:
    """A token as text; one with an incomplete character as its bytes, in OpenAI's notation."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return "bytes:" + "".join(f"\\x{byte:02x}" for byte in data)


def _top_logprobs(token: TextToken, spelling: Spelling) -> dict[str, float] | None:
    """The most likely tokens in order, and the token itself."""
    if token.logprob is None:
        return None
    found = {token_text(spelling(other)): logprob for other, logprob in token.top}
    return found | {token_text(token.data): token.logprob}


def _shifted(tokens: Sequence[TextToken], characters: int) -> list[TextToken]:
    """The tokens of a text that follows an echo of this many characters."""
    return [replace(token, offset=token.offset + characters) for token in tokens]
