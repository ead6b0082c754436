"""A synthetic tokenizer in which every id of a model's vocabulary has a text.

The demo's tokenizer has 3,000 tokens, but a random model of published size generates 50,257 different ids; without a
text for the others, streams would be empty. Here they are words of syllables, from "ba" to " bububu". A syllable is a
consonant and a vowel, so merges never compete: within a word, the syllables form first, then the word grows from the
left.
"""

from itertools import product
from pathlib import Path

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

CONSONANTS, VOWELS = "bcdfghjklmnpqrstvwxyz", "aeiou"
SPACE = "Ġ"  # how byte-level tokenizers represent a space
END_OF_TEXT = "<|endoftext|>"


def write_tokenizer(path: Path, vocab_size: int) -> None:
    """Write a tokenizer.json of exactly `vocab_size` tokens: at least 257, one per byte and the end of text."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges = _merges(vocab_size - len(alphabet) - 1)
    tokens = alphabet + [left + right for left, right in merges]
    tokenizer = Tokenizer(models.BPE(vocab={token: number for number, token in enumerate(tokens)}, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(END_OF_TEXT, special=True, normalized=False)])
    if tokenizer.get_vocab_size() != vocab_size:
        raise ValueError(f"cannot make a tokenizer of {vocab_size} tokens, only of {tokenizer.get_vocab_size()}")
    tokenizer.save(str(path))


def _merges(count: int) -> list[tuple[str, str]]:
    """Return the first `count` merges: syllables, then words of one, two and three syllables."""
    syllables = [first + second for first, second in product(CONSONANTS, VOWELS)]
    found = [(syllable[0], syllable[1]) for syllable in syllables]
    words = [SPACE]
    while len(found) < count and len(words[0]) < 7:
        grown = [(word, syllable) for word in words for syllable in syllables][: max(0, count - len(found))]
        found += grown
        words = [left + right for left, right in grown]
    return found[:count]
