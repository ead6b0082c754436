"""Prompts of an exact number of tokens, as ids and as text that encodes to them.

Words are drawn from the vocabulary's own, those that stay one token whatever stands beside them. The contents differ
from repeat to repeat: a target that remembers prompts must not be given the same one twice.
"""

import random
import re
from collections.abc import Sequence
from pathlib import Path

from tokenizers import Tokenizer

from scripts.benchmark.exchange import Request
from scripts.benchmark.workloads import Size

# Words, or where a vocabulary is too small for them, syllables or letters: never a mixture, which could merge.
KINDS = (re.compile(r" [a-z]+"), re.compile(r"[a-z]{2}"), re.compile(r"[a-z]"))
FEWEST_WORDS = 8


class Prompts:
    """Draws requests for one tokenizer."""

    def __init__(self, folder: Path) -> None:
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        picked = (self._pick(kind) for kind in KINDS)
        self._words = next((words for words in picked if len(words) >= FEWEST_WORDS), [])
        if not self._words:
            raise ValueError("the tokenizer has no words, syllables or letters to make prompts of")

    def requests(self, label: str, sizes: Sequence[Size]) -> tuple[Request, ...]:
        """One request a size; the label decides the contents."""
        rng = random.Random(label)
        return tuple(self._request(rng, size) for size in sizes)

    def text(self, output: list[int] | str) -> str:
        """The text of an output, which some targets give as ids."""
        return output if isinstance(output, str) else self._tokenizer.decode(output, skip_special_tokens=False)

    def _request(self, rng: random.Random, size: Size) -> Request:
        text = "".join(rng.choices(self._words, k=size.prompt_tokens))
        ids = tuple(self._tokenizer.encode(text, add_special_tokens=False).ids)
        if len(ids) != size.prompt_tokens:
            raise ValueError(f"the tokenizer makes {len(ids)} tokens of {size.prompt_tokens} words of its own")
        return Request(ids, text, size.new_tokens, size.at_s, size.role)

    def _pick(self, pattern: re.Pattern[str]) -> list[str]:
        """Texts of the pattern that are one token each, in the order of their ids."""
        texts = (self._tokenizer.decode([number]) for number in range(self._tokenizer.get_vocab_size()))
        fitting = [text for text in texts if pattern.fullmatch(text)]
        encoded = self._tokenizer.encode_batch(fitting, add_special_tokens=False)
        return [text for text, encoding in zip(fitting, encoded, strict=True) if len(encoding.ids) == 1]
