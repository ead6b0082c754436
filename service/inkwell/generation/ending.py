"""How much of a growing text may be told, and whether it ends: stop strings, whole sentences, the limit.

Works on the part of the text that was not told yet. Knows tokens only by their number.
"""

from dataclasses import dataclass
from typing import Literal

from inkwell.generation.events import Finish
from inkwell.generation.sentences import sentence_ends
from inkwell.generation.stops import find_stop, held_back

# What became of the last sentence: it ended within the limit, beyond it, was taken off, or none was ever whole.
Sentence = Literal["whole", "extended", "cut", "open"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """Tell the first `tell` characters now; with a `finish` the text ends there and the rest is dropped."""

    tell: int
    finish: Finish | None = None
    stop: str | None = None
    sentence: Sentence | None = None


@dataclass(frozen=True, slots=True)
class Ending:
    """The rules of one request."""

    stops: tuple[str, ...]
    keep_stop: bool
    finish_sentence: bool

    def judge(self, held: str, limit_at: int | None, finish: Finish | None, told: bool) -> Verdict:
        """What to tell of `held`, the text that was not told yet; `told` says whether there was earlier text.

        `limit_at` is the place in `held` at which the limit of tokens was reached, None before that. `finish` is why no
        more tokens come, if that is so.
        """
        cut = find_stop(held, self.stops)
        if cut is not None:
            return Verdict(cut.end if self.keep_stop else cut.start, "stop_sequence", cut.stop)
        if self.finish_sentence:
            return self._by_sentence(held, limit_at, finish, told)
        return Verdict(len(held) if finish else len(held) - held_back(held, self.stops), finish)

    def _by_sentence(self, held: str, limit_at: int | None, finish: Finish | None, told: bool) -> Verdict:
        if finish not in (None, "length"):
            return Verdict(len(held), finish, sentence="whole" if finish == "stop" else "open")
        if limit_at == 0 and told:  # the limit lies in the white space behind a sentence that was told
            return Verdict(0, "sentence", sentence="whole")
        ends = sentence_ends(held, final=finish is not None)
        if limit_at is not None:
            beyond = next((end for end in ends if end >= limit_at), None)
            if beyond is not None:
                return Verdict(beyond, "sentence", sentence="extended" if beyond > limit_at else "whole")
        if finish is None:
            return Verdict(min(ends[-1] if ends else 0, len(held) - held_back(held, self.stops)))
        if ends or told:
            return Verdict(ends[-1] if ends else 0, finish, sentence="cut")
        return Verdict(len(held) if limit_at is None else limit_at, finish, sentence="open")
