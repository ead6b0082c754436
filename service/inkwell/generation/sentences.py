"""Where sentences end in English text and its relatives. A rule of thumb: it knows marks and a few abbreviations."""

import re

_END = re.compile(r"[.!?…]+[\"'”’)\]»]*(?=\s|$)")
_BLANK_LINE = re.compile(r"\S(?=\s*\n\s*\n)")
_ABBREVIATION = re.compile(r"(?:\b(?:Mr|Mrs|Ms|Dr|St|Prof|Jr|Sr|vs|etc|No|e\.g|i\.e)|\b[A-Z])\.$")


def sentence_ends(text: str, final: bool) -> list[int]:
    """The places behind the whole sentences of `text`, rising.

    A mark at the very end counts only if the text is `final`: the next token might go on with digits or quotes.
    """
    ends = {match.end() for match in _END.finditer(text) if final or match.end() < len(text)}
    ends = {end for end in ends if not _ABBREVIATION.search(text[:end])}
    return sorted(ends | {match.end() for match in _BLANK_LINE.finditer(text)})
