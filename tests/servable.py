"""Checkpoint folders that the service can serve, created in milliseconds and without torch.

The model is a real GPT-2 or GPT-J with one layer that adds nothing, and a head that determines the next byte: "a" is
followed by "b", "z" by "a", a space by an emoji, a Chinese character and an accented letter, a full stop by the end of
the text. Greedy text is therefore known in advance; at temperature 1 it still depends on the seed. There is one token
per byte, so that prompts have as many tokens as bytes, and characters of several bytes span several tokens.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from tokenizers.trainers import BpeTrainer

from inkwell.checkpoints.model_config import parse_config
from inkwell.engine.checkpoint.layout import weight_map

END_OF_TEXT = "<|endoftext|>"
SPACED = " 😀世é"  # the cycle that follows a space
VOCABULARY = 257
WIDTH = 264
CERTAINTY = 5.0  # logit of the next byte where all others have 0: about 37 % at temperature 1


def save_servable(folder: Path, family: str = "gpt2", context: int = 1024, **changes: Any) -> None:
    """Write the checkpoint; `changes` override keys of its config.json."""
    folder.mkdir(parents=True, exist_ok=True)
    save_tokenizer(folder)
    config = {
        "model_type": family, "vocab_size": VOCABULARY, "n_positions": context, "n_embd": WIDTH, "n_layer": 1,
        "n_head": 2, "n_inner": 8, "rotary_dim": 4, "tie_word_embeddings": False, "eos_token_id": 0, **changes,
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(config))
    save_file(_weights(config), folder / "model.safetensors")


def save_tokenizer(folder: Path, extra_tokens: int = 0) -> None:
    """Write a byte-level tokenizer.json of 257 tokens: the end of the text and every byte."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = BpeTrainer(
        vocab_size=VOCABULARY, special_tokens=[END_OF_TEXT], initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator([], trainer)
    tokenizer.add_tokens([f"<extra-{number}>" for number in range(extra_tokens)])
    tokenizer.save(str(folder / "tokenizer.json"))


def continued(prompt: str, length: int) -> str:
    """Return the greedy text of `length` tokens after `prompt` that the service must generate."""
    follows = _follows()
    data = bytearray()
    last: int | None = prompt.encode()[-1]
    while len(data) < length:
        last = follows.get(last)
        if last is None:
            break
        data.append(last)
    return data.decode(errors="replace")


def _follows() -> dict[int, int | None]:
    """Map each byte to the next one; None is the end of the text."""
    follows: dict[int, int | None] = dict.fromkeys(range(256), ord("a"))
    for cycle in (b"abcdefghijklmnopqrstuvwxyz", b"0123456789", SPACED.encode()):
        follows |= zip(cycle, cycle[1:] + cycle[:1], strict=True)
    return follows | {ord("."): None}


def _weights(config: dict[str, Any]) -> dict[str, np.ndarray]:
    weights = {piece.name: np.zeros(piece.shape, np.float32) for piece in weight_map(parse_config(config))}
    for name, values in weights.items():
        if ".ln_" in name and name.endswith("weight") or name == "ln_f.weight":
            values[:] = 1
    np.fill_diagonal(weights["wte.weight"], 1)
    weights["ln_f.bias"][:] = WIDTH**-0.5  # what the layer norm subtracts from the zeros of a one-hot vector
    id_of_byte = _id_of_byte()
    head = weights["lm_head.weight"]
    for byte, following in _follows().items():
        head[0 if following is None else id_of_byte[following], id_of_byte[byte]] = CERTAINTY / np.sqrt(WIDTH)
    return {f"transformer.{name}" if name != "lm_head.weight" else name: values for name, values in weights.items()}


def _id_of_byte() -> dict[int, int]:
    """Return the ids assigned by `save_tokenizer`: first the end of the text, then the alphabet in character order."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    ordered = printable + [byte for byte in range(256) if byte not in printable]
    return {byte: number + 1 for number, byte in enumerate(ordered)}
