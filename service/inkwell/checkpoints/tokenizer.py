"""Text to token ids and back, for one checkpoint folder.

Takes the folder's tokenizer files, returns ids, and returns text incrementally through a `TextDecoder` that never
splits a character. Knows no models, requests or torch.
"""

import codecs
import json
from pathlib import Path

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

from inkwell.errors import ModelCorrupt

END_OF_TEXT = "<|endoftext|>"
HIGHEST_ID = (1 << 24) - 1  # a file may claim any id up to 2**32, and the table of bytes has an entry for each lower id


class TextTokenizer:
    """A byte-level BPE tokenizer: the `tokenizers` library, restricted to what the service needs."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        tokenizer.no_truncation()  # files saved by a training script may enable both, which would silently cut prompts
        tokenizer.no_padding()
        self._tokenizer = tokenizer
        self._bytes_of_id = _byte_table(tokenizer)

    @property
    def highest_id(self) -> int:
        """The largest id that `encode` can return."""
        return len(self._bytes_of_id) - 1

    def agrees_with(self, other: "TextTokenizer") -> bool:
        """Whether every id that both have means the same text. GPT-J has unused ids that GPT-2 lacks."""
        both = min(len(self._bytes_of_id), len(other._bytes_of_id))
        return self._bytes_of_id[:both] == other._bytes_of_id[:both]

    def encode(self, text: str) -> list[int]:
        """Token ids of `text`, which must be encodable as UTF-8 (no lone surrogates)."""
        return self._tokenizer.encode(text, add_special_tokens=False).ids

    def spelling(self, token: int) -> bytes:
        """The bytes of a token; ids beyond the tokenizer, which a padded embedding can produce, have none."""
        return self._bytes_of_id[token] if token < len(self._bytes_of_id) else b""

    def decoder(self) -> "TextDecoder":
        """A decoder for one generated sequence."""
        return TextDecoder(self)


class TextDecoder:
    """Turns the ids of one sequence into text as they come.

    A byte-level token may end inside a UTF-8 character; its bytes are then held back until the character is whole.
    Bytes that can never become a character come out as U+FFFD, as if all bytes were decoded at once.
    """

    def __init__(self, tokenizer: TextTokenizer) -> None:
        self._tokenizer = tokenizer
        self._utf8 = codecs.getincrementaldecoder("utf-8")("replace")

    def push(self, token: int) -> str:
        """The text that `token` completes; empty while a character is incomplete."""
        return self._utf8.decode(self._tokenizer.spelling(token))

    def finish(self) -> str:
        """Incomplete bytes that are still held back, as U+FFFD; call it once, at the end."""
        return self._utf8.decode(b"", final=True)


def load_tokenizer(folder: Path) -> TextTokenizer:
    """Read `tokenizer.json`, or GPT-2's `vocab.json` and `merges.txt`; raises ModelCorrupt when neither can be read."""
    try:
        file = folder / "tokenizer.json"
        return TextTokenizer(_from_one_file(file) if file.exists() else _from_vocabulary(folder))
    except Exception as error:  # the library raises bare Exception for any defect of a file
        raise ModelCorrupt("the model's tokenizer files are damaged", cause=f"{folder.name}: {error}") from error


def _from_one_file(file: Path) -> Tokenizer:
    """The format that `tokenizers` saves. With affixes the library (0.23) can abort the process, so they are refused
    first, and exactly the checked data is loaded."""
    data = json.loads(file.read_text(encoding="utf-8"))
    model = data["model"]
    if model.get("type", "BPE") != "BPE" or model.get("continuing_subword_prefix") or model.get("end_of_word_suffix"):
        raise ValueError("not a byte-level BPE tokenizer")
    return Tokenizer.from_str(json.dumps(data))


def _from_vocabulary(folder: Path) -> Tokenizer:
    """GPT-2's tokenizer from the two files that the original release consists of."""
    model = models.BPE.from_file(str(folder / "vocab.json"), str(folder / "merges.txt"))
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(END_OF_TEXT, special=True)])
    return tokenizer


def _byte_table(tokenizer: Tokenizer) -> list[bytes]:
    """Bytes of every id. Added tokens are literal text; all others are spelled in the byte-level alphabet."""
    byte_of_character = _byte_level_alphabet()
    added = {index: token.content for index, token in tokenizer.get_added_tokens_decoder().items()}
    vocabulary = tokenizer.get_vocab(with_added_tokens=True)
    highest = max(vocabulary.values(), default=-1)
    if highest > HIGHEST_ID:
        raise ValueError(f"a token has the id {highest}")
    table = [b""] * (highest + 1)
    for token, index in vocabulary.items():
        table[index] = (
            added[index].encode() if index in added else bytes(byte_of_character[character] for character in token)
        )
    return table


def _byte_level_alphabet() -> dict[str, int]:
    """The byte that each character of byte-level BPE represents.

    Printable Latin-1 characters represent themselves; the other 68 bytes, in order, are U+0100 and up (Radford et
    al. 2019, section 2.2, and the `encoder.py` released with it).
    """
    printable = {*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)}
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + place): byte for place, byte in enumerate(others)}
