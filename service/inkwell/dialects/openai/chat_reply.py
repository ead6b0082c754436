"""The choices of `/v1/chat/completions`: messages, and log-probabilities in their own shape."""

from collections.abc import Sequence

from inkwell.dialects.openai.reply import REASONS, Json, ReplyOptions, TextReply
from inkwell.generation import Choice, Generation, TextEvent, TextToken
from inkwell.parameters import Generate


class ChatReply(TextReply):
    """The next message of a conversation."""

    PREFIX, OBJECT, CHUNK = "chatcmpl", "chat.completion", "chat.completion.chunk"

    def __init__(self, generation: Generation[Generate], options: ReplyOptions) -> None:
        super().__init__(generation, options)
        self._begun: set[int] = set()

    def choice(self, index: int, choice: Choice) -> Json:
        return {
            "index": index,
            "message": {"role": "assistant", "content": choice.text, "refusal": None},
            "logprobs": self._logprobs(choice.tokens),
            "finish_reason": REASONS[choice.finish] if choice.finish else None,
        }

    def pieces(self, event: TextEvent) -> list[Json]:
        """The role first, then the content, and the finish reason at the end, each in a chunk of its own."""
        pieces: list[Json] = []
        if event.choice not in self._begun:
            self._begun.add(event.choice)
            pieces.append(_piece(event.choice, {"role": "assistant", "content": ""}))
        if event.text or (self.options.logprobs and event.tokens):
            pieces.append(_piece(event.choice, {"content": event.text}, self._logprobs(event.tokens)))
        if event.finish:
            pieces.append(_piece(event.choice, {}, finish_reason=REASONS[event.finish]))
        return pieces

    def _logprobs(self, tokens: Sequence[TextToken]) -> Json | None:
        return {"content": [self._token(token) for token in tokens], "refusal": None} if self.options.logprobs else None

    def _token(self, token: TextToken) -> Json:
        top = [_entry(self.spelling(other), logprob) for other, logprob in token.top]
        return _entry(token.data, token.logprob) | {"top_logprobs": top}


def _entry(data: bytes, logprob: float | None) -> Json:
    return {"token": data.decode(errors="replace"), "logprob": logprob, "bytes": list(data)}


def _piece(index: int, delta: Json, logprobs: Json | None = None, finish_reason: str | None = None) -> Json:
    return {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": finish_reason}
