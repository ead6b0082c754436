"""Decides where a text ends: at a stop string, at the end of a sentence, or at its token limit.

Works on the pending part of the text, which is decoded but not emitted. Text that may be the beginning of a stop
string, or that belongs to an unfinished sentence, stays pending until more text arrives. Knows no tokens.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from inkwell.generation.events import Finish

# What happened to the last sentence: it ended within the limit, it ended after the limit, it was cut off, or no
# sentence ended at all.
Sentence = Literal["whole", "extended", "cut", "open"]

# A heuristic for English and related languages, based on punctuation and a few abbreviations.
_END = re.compile(r"[.!?…]+[\"'”’)\]»]*(?=\s|$)")
_BLANK_LINE = re.compile(r"\S(?=\s*\n\s*\n)")
_ABBREVIATION = re.compile(r"(?:\b(?:Mr|Mrs|Ms|Dr|St|Prof|Jr|Sr|vs|etc|No|e\.g|i\.e)|\b[A-Z])\.$")


@dataclass(frozen=True, slots=True)
class StopDecision:
    """Emit the first `emit` pending characters now. With a `finish` the text ends there and the rest is dropped."""

    emit: int
    finish: Finish | None = None
    stop: str | None = None
    sentence: Sentence | None = None


@dataclass(frozen=True, slots=True)
class Match:
    """The stop string `stop`, found at `start` and up to `end`."""

    start: int
    end: int
    stop: str


@dataclass(frozen=True, slots=True)
class StopChecker:
    """The rules of one request."""

    stops: tuple[str, ...]
    keep_stop: bool
    finish_sentence: bool

    def check(self, pending: str, limit_at: int | None, finish: Finish | None, emitted: bool) -> StopDecision:
        """Decide how much of `pending` to emit; `emitted` is whether any text was emitted before.

        `limit_at` is the offset in `pending` at which the token limit was reached, None before that. `finish` is the
        reason if this was the last token, else None.
        """
        match = find_stop(pending, self.stops)
        if match is not None:
            return StopDecision(match.end if self.keep_stop else match.start, "stop_sequence", match.stop)
        if self.finish_sentence:
            return self._check_sentence(pending, limit_at, finish, emitted)
        return StopDecision(len(pending) if finish else self._safe(pending), finish)

    def _check_sentence(self, pending: str, limit_at: int | None, finish: Finish | None, emitted: bool) -> StopDecision:
        if finish not in (None, "length"):
            return StopDecision(len(pending), finish, sentence="whole" if finish == "stop" else "open")
        if limit_at == 0 and emitted:  # the limit falls into the white space after an emitted sentence
            return StopDecision(0, "sentence", sentence="whole")
        ends = sentence_ends(pending, final=finish is not None)
        if limit_at is not None:
            first_after_limit = next((end for end in ends if end >= limit_at), None)
            if first_after_limit is not None:
                sentence: Sentence = "extended" if first_after_limit > limit_at else "whole"
                return StopDecision(first_after_limit, "sentence", sentence=sentence)
        if finish is None:
            return StopDecision(min(ends[-1] if ends else 0, self._safe(pending)))
        if ends or emitted:
            return StopDecision(ends[-1] if ends else 0, finish, sentence="cut")
        return StopDecision(len(pending) if limit_at is None else limit_at, finish, sentence="open")

    def _safe(self, pending: str) -> int:
        """Number of leading characters that cannot become part of a stop string."""
        return len(pending) - partial_stop(pending, self.stops)


def find_stop(text: str, stops: Sequence[str]) -> Match | None:
    """The stop string that ends first, the longest of several that end there.

    The result therefore does not depend on how the text is split into events.
    """
    found = [(place + len(stop), place, stop) for stop in stops if (place := text.find(stop)) >= 0]
    if not found:
        return None
    end, start, stop = min(found)
    return Match(start, end, stop)


def partial_stop(text: str, stops: Sequence[str]) -> int:
    """Number of characters at the end of the text that may be the beginning of a stop string."""
    longest = max((len(stop) - 1 for stop in stops), default=0)
    for length in range(min(longest, len(text)), 0, -1):
        tail = text[-length:]
        if any(stop.startswith(tail) for stop in stops):
            return length
    return 0


def sentence_ends(text: str, final: bool) -> list[int]:
    """The end offsets of the complete sentences of the text, in ascending order.

    A mark at the very end counts only if the text is `final`: the next token might add digits or quotes.
    """
    ends = {match.end() for match in _END.finditer(text) if final or match.end() < len(text)}
    ends = {end for end in ends if not _ABBREVIATION.search(text[:end])}
    return sorted(ends | {match.end() for match in _BLANK_LINE.finditer(text)})
