"""The shape of a checkpoint: `config.json` parsed by our own rules into one frozen value.

Takes a folder (or the decoded object) and returns a `ModelConfig`, or refuses before anything is allocated: every
number has a range, and a config that asks for code, quantisation or another architecture is rejected. Knows no torch,
no transformers and no weights. A config file alone has led to remote code execution in a library (CVE-2026-4372), so it
is not parsed by a library here.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inkwell.errors import ModelCorrupt

CONFIG_BYTES_MAX = 1 << 20

# Those of published GPT-2 and GPT-J checkpoints, by their names in transformers; engine/model/linear.py has the
# functions.
ACTIVATIONS = ("gelu", "gelu_fast", "gelu_new", "gelu_pytorch_tanh", "relu")

# transformers up to 4.x wrote these two itself: where the config came from. Harmless, so dropped; any other key with a
# leading underscore is private to a library, and one of them (`_attn_implementation_internal`) named code to run.
_PRIVATE_BUT_HARMLESS = frozenset({"_name_or_path", "_commit_hash"})
_NEEDS_FOREIGN_CODE = frozenset({"auto_map", "custom_pipelines", "quantization_config"})

# GPT's own key -> the common name that transformers accepts in its place
_ALIASES = {
    "n_positions": "max_position_embeddings",
    "n_embd": "hidden_size",
    "n_layer": "num_hidden_layers",
    "n_head": "num_attention_heads",
}
_DTYPES = frozenset({"float16", "bfloat16", "float32", "float64"})
_DEFAULT_END = 50256  # <|endoftext|> of the vocabulary that both families came with


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """Everything that decides the shapes and the arithmetic of one GPT-2 or GPT-J."""

    family: str
    vocab_size: int
    context: int
    width: int
    layers: int
    heads: int
    inner: int
    activation: str = "gelu_new"
    layer_norm_epsilon: float = 1e-5
    rotary_dim: int | None = None
    scale_attention: bool = True
    scale_by_inverse_layer: bool = False
    upcast_attention: bool = False
    tied_head: bool = True
    bos_token_id: int | None = None
    eos_token_ids: tuple[int, ...] = ()
    stored_dtype: str | None = None

    @property
    def head_dim(self) -> int:
        return self.width // self.heads

    @property
    def eos_token_id(self) -> int | None:
        return self.eos_token_ids[0] if self.eos_token_ids else None

    @property
    def parameters(self) -> int:
        """Numbers in the checkpoint; a tied head counts once."""
        if self.family == "gpt2":
            outside = self.context * self.width
            attention = 4 * self.width * self.width + 4 * self.width
            norms = 4 * self.width
        else:
            outside = self.vocab_size
            attention = 4 * self.width * self.width
            norms = 2 * self.width
        mlp = 2 * self.width * self.inner + self.width + self.inner
        tables = self.vocab_size * self.width * (1 if self.tied_head else 2)
        return tables + outside + self.layers * (attention + norms + mlp) + 2 * self.width

    def cache_bytes_per_token(self, bytes_per_value: int) -> int:
        """Bytes of the keys and values of one token in all layers."""
        return 2 * self.layers * self.width * bytes_per_value


def read_config(folder: Path) -> ModelConfig:
    """The config of the checkpoint in `folder`."""
    return parse_config(_load_object(folder / "config.json"))


def parse_config(data: dict[str, Any]) -> ModelConfig:
    """A decoded `config.json` as a `ModelConfig`; keys that change nothing here are dropped."""
    family = _family(data)
    width = _integer(data, "n_embd", 1, 1 << 17)
    heads = _integer(data, "n_head", 1, 4096)
    if width % heads:
        raise ModelCorrupt(f"config.json: n_head {heads} does not divide n_embd {width}")
    vocab_size = _integer(data, "vocab_size", 1, 1 << 24)
    gpt2 = family == "gpt2"
    return ModelConfig(
        family=family,
        vocab_size=vocab_size,
        context=_integer(data, "n_positions", 1, 1 << 20),
        width=width,
        layers=_integer(data, "n_layer", 1, 4096),
        heads=heads,
        inner=4 * width if data.get("n_inner") is None else _integer(data, "n_inner", 1, 1 << 20),
        activation=_activation(data),
        layer_norm_epsilon=_epsilon(data),
        rotary_dim=None if gpt2 else _rotary_dim(data, width // heads),
        # GPT-J's code never used these three, even if its config has them
        scale_attention=_flag(data, "scale_attn_weights", True) if gpt2 else True,
        scale_by_inverse_layer=_flag(data, "scale_attn_by_inverse_layer_idx", False) if gpt2 else False,
        upcast_attention=_flag(data, "reorder_and_upcast_attn", False) if gpt2 else False,
        # GPT-J's head has a bias, and transformers ties only the matrix if the config asks for it
        tied_head=_flag(data, "tie_word_embeddings", gpt2),
        bos_token_id=next(iter(_token_ids(data, "bos_token_id", vocab_size)), None),
        eos_token_ids=_token_ids(data, "eos_token_id", vocab_size),
        stored_dtype=_stored_dtype(data),
    )


def _load_object(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            raw = file.read(CONFIG_BYTES_MAX + 1)
    except OSError as error:
        raise ModelCorrupt("config.json cannot be read", cause=f"{path}: {error!r}") from error
    if len(raw) > CONFIG_BYTES_MAX:
        raise ModelCorrupt(f"config.json is larger than {CONFIG_BYTES_MAX:,} bytes")
    try:
        data = json.loads(raw.decode("utf-8"))
    except (ValueError, RecursionError) as error:  # not UTF-8, not JSON, absurd digits, absurd nesting
        raise ModelCorrupt("config.json is not JSON in UTF-8", cause=f"{path}: {error!r}"[:300]) from error
    if not isinstance(data, dict):
        raise ModelCorrupt("config.json is not a JSON object")
    return data


def _family(data: dict[str, Any]) -> str:
    family = data.get("model_type")
    if family not in ("gpt2", "gptj"):
        raise ModelCorrupt(f"config.json: model_type is {_shown(family)}; gpt2 and gptj are served")
    for key in data:
        private = key.startswith("_") and key not in _PRIVATE_BUT_HARMLESS
        if private or key in _NEEDS_FOREIGN_CODE:
            raise ModelCorrupt(f"config.json: {_shown(key)} is not supported; only plain {family} is served")
    if _flag(data, "add_cross_attention", False):
        raise ModelCorrupt("config.json: add_cross_attention is not supported")
    return str(family)


def _integer(data: dict[str, Any], key: str, low: int, high: int) -> int:
    value = data.get(key, data.get(_ALIASES.get(key, key)))
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise ModelCorrupt(f"config.json: {key} must be an integer from {low} to {high}, not {_shown(value)}")
    return value


def _flag(data: dict[str, Any], key: str, default: bool) -> bool:
    value = data.get(key, default)
    if not isinstance(value, bool):
        raise ModelCorrupt(f"config.json: {key} must be true or false, not {_shown(value)}")
    return value


def _epsilon(data: dict[str, Any]) -> float:
    value = data.get("layer_norm_epsilon", 1e-5)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < 1:
        raise ModelCorrupt(f"config.json: layer_norm_epsilon must be between 0 and 1, not {_shown(value)}")
    return float(value)


def _activation(data: dict[str, Any]) -> str:
    value = data.get("activation_function", "gelu_new")
    if not isinstance(value, str) or value not in ACTIVATIONS:
        names = f"{', '.join(ACTIVATIONS[:-1])} and {ACTIVATIONS[-1]}"
        raise ModelCorrupt(f"config.json: activation_function {_shown(value)} is not supported; {names} are")
    return value


def _rotary_dim(data: dict[str, Any], head_dim: int) -> int:
    value = _integer({"rotary_dim": 64, **data}, "rotary_dim", 2, head_dim)
    if value % 2:
        raise ModelCorrupt(f"config.json: rotary_dim must be even, not {value}")
    return value


def _token_ids(data: dict[str, Any], key: str, vocab_size: int) -> tuple[int, ...]:
    """One id, a list or null; ids past the vocabulary are dropped, because they can never be produced.

    Small models made from the default config carry 50256 with a vocabulary of a few thousand.
    """
    value = data.get(key, _DEFAULT_END)
    values = value if isinstance(value, list) else [] if value is None else [value]
    if not all(isinstance(item, int) and not isinstance(item, bool) for item in values):
        raise ModelCorrupt(f"config.json: {key} must be an integer, a list of them or null, not {_shown(value)}")
    return tuple(item for item in values if 0 <= item < vocab_size)


def _stored_dtype(data: dict[str, Any]) -> str | None:
    """What the weights were saved as, if the config says so; a hint, the safetensors header decides."""
    value = data.get("dtype", data.get("torch_dtype"))
    return value if isinstance(value, str) and value in _DTYPES else None


def _shown(value: object) -> str:
    """A value from the file, escaped and shortened for a message."""
    text = ascii(value) if isinstance(value, (str, int, float, type(None))) else f"a {type(value).__name__}"
    return text if len(text) <= 40 else text[:37] + "..."
