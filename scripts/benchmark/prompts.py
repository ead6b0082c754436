"""Generates prompts with an exact number of tokens, as ids and as text that encodes to them.

Words are drawn from those of the vocabulary that encode to one token regardless of their neighbours. The contents
differ between repeats, because a target with a prompt cache must not see the same prompt twice.
"""

import random
import re
from collections.abc import Sequence
from pathlib import Path

from tokenizers import Tokenizer

from scripts.benchmark.exchange import Request
from scripts.benchmark.workloads import Size

# Words, or syllables or letters if the vocabulary has too few of them; never mixed, because mixtures could merge.
WORD_PATTERNS = (re.compile(r" [a-z]+"), re.compile(r"[a-z]{2}"), re.compile(r"[a-z]"))
MIN_WORDS = 8


class Prompts:
    """Generates random requests for one tokenizer."""

    def __init__(self, folder: Path) -> None:
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        picked = (self._pick(pattern) for pattern in WORD_PATTERNS)
        self._words = next((words for words in picked if len(words) >= MIN_WORDS), [])
        if not self._words:
            raise ValueError("the tokenizer has too few words, syllables or letters to make prompts of")

    def requests(self, label: str, sizes: Sequence[Size]) -> tuple[Request, ...]:
        """Return one request per size; the label is the random seed."""
        rng = random.Random(label)
        return tuple(self._request(rng, size) for size in sizes)

    def text(self, output: list[int] | str) -> str:
        """Return an output as text; some targets return ids."""
        return output if isinstance(output, str) else self._tokenizer.decode(output, skip_special_tokens=False)

    def _request(self, rng: random.Random, size: Size) -> Request:
        text = "".join(rng.choices(self._words, k=size.prompt_tokens))
        ids = tuple(self._tokenizer.encode(text, add_special_tokens=False).ids)
        if len(ids) != size.prompt_tokens:
            raise ValueError(f"the tokenizer encodes {size.prompt_tokens} one-token words as {len(ids)} tokens")
        return Request(ids, text, size.new_tokens, size.at_s, size.role)

    def _pick(self, pattern: re.Pattern[str]) -> list[str]:
        """Return the texts that match the pattern and encode to one token each, in the order of their ids."""
        texts = (self._tokenizer.decode([number]) for number in range(self._tokenizer.get_vocab_size()))
        fitting = [text for text in texts if pattern.fullmatch(text)]
        encoded = self._tokenizer.encode_batch(fitting, add_special_tokens=False)
        return [text for text, encoding in zip(fitting, encoded, strict=True) if len(encoding.ids) == 1]
