"""The texts of a score as prompts, where the scored part of each begins, and the sums over it.

A prompt and its continuation are tokenised together, as in a text that the model was trained on, and every token that
contains a byte of the continuation is scored. So no token is cut between the two: after "a king ", the continuation
"said" is scored as the one token " said".
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from inkwell.dialects.score.parameters import ScoreRequest
from inkwell.errors import InvalidParameter
from inkwell.generation import PromptState, TextToken
from inkwell.models.model_store import Model
from inkwell.parameters import GenerationRequest, Score

LARGEST_EXPONENT = 700.0  # math.exp overflows soon after


@dataclass(frozen=True, slots=True)
class Part:
    """The tokens of one text, and how many of them come before the scored ones.

    If `prefixed`, the first of them is the end-of-text token, which is not part of the text.
    """

    tokens: tuple[int, ...]
    before: int
    prefixed: bool


@dataclass(frozen=True, slots=True)
class TextScore:
    """The scored tokens of one text, with offsets in characters of that text, and the sums over them.

    `bytes` are those that the scored tokens spell.
    """

    context: list[TextToken]  # tokens of the text before the scored ones
    tokens: list[TextToken]
    total: float
    bytes: int

    @property
    def mean(self) -> float | None:
        """Per token; None if no token was scored."""
        return self.total / len(self.tokens) if self.tokens else None

    @property
    def perplexity(self) -> float | None:
        mean = self.mean
        return None if mean is None or -mean > LARGEST_EXPONENT else math.exp(-mean)

    @property
    def bits_per_byte(self) -> float | None:
        return -self.total / math.log(2) / self.bytes if self.bytes else None


def parts(wanted: ScoreRequest, model: Model) -> list[Part]:
    """The texts of a request as tokens; raises InvalidParameter."""
    if wanted.text is not None:
        tokens = model.tokenizer.encode(wanted.text)
        return [_prefixed(tokens, 0, model) if wanted.from_start else Part(tuple(tokens), 1, False)]
    assert wanted.prompt is not None and wanted.continuations is not None, "checked by its parser"
    found = [_meeting(wanted.prompt, continuation, model) for continuation in wanted.continuations]
    if any(before == 0 for _, before in found):  # all or none, so that they can be compared
        return [_prefixed(tokens, before, model) for tokens, before in found]
    return [Part(tuple(tokens), before, False) for tokens, before in found]


def scoring_request(wanted: ScoreRequest, texts: Sequence[Part]) -> GenerationRequest[Score]:
    """The request that computes the texts once."""
    prompts = tuple(text.tokens for text in texts)
    return GenerationRequest(prompts, Score(), model_name=wanted.model_name)


def score(part: Part, prompt: PromptState) -> TextScore:
    """The score of a part from its computed prompt."""
    tokens = prompt.text_tokens()
    if part.prefixed:
        shift = len(tokens[0].text)
        tokens = [TextToken(each.id, each.data, each.offset - shift, each.logprob) for each in tokens[1:]]
    before = part.before - part.prefixed
    scored = tokens[before:]
    total = math.fsum(each.logprob for each in scored if each.logprob is not None)
    return TextScore(tokens[:before], scored, total, sum(len(each.data) for each in scored))


def _prefixed(tokens: Sequence[int], before: int, model: Model) -> Part:
    """The text after the end-of-text token, which precedes every text in training."""
    end_of_text = model.config.eos_token_id
    if end_of_text is None:
        raise InvalidParameter(f"{model.name} has no end-of-text token to put before the text")
    return Part((end_of_text, *tokens), before + 1, True)


def _meeting(prompt: str, continuation: str, model: Model) -> tuple[list[int], int]:
    """The tokens of both together, and how many of them contain nothing of the continuation."""
    tokens = model.tokenizer.encode(prompt + continuation)
    ends = list(accumulate(len(model.tokenizer.spelling(token)) for token in tokens))
    border = len(prompt.encode())
    if not ends or ends[-1] != border + len(continuation.encode()):
        message = f"the tokenizer of {model.name} changes texts, so a continuation cannot be found in its tokens"
        raise InvalidParameter(message, param="continuations")
    return tokens, sum(end <= border for end in ends)
