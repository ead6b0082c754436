"""Which tensor of a checkpoint fills which parameter of the `Decoder`, and the shape it must have.

Plain Python: a `ModelConfig` in, a list of `Piece` out. The loader checks files against this list and the maker of
random checkpoints writes files by it. Two things differ between file and decoder: GPT-2 stores its products as
[in, out] (transposed on the way in), and GPT-J stores query, key and value apart (fused on the way in).
"""

from dataclasses import dataclass

from inkwell.checkpoints.model_config import ModelConfig


@dataclass(frozen=True, slots=True)
class Piece:
    """One tensor of a checkpoint."""

    name: str  # in the file, without the prefix `transformer.`
    target: str  # the decoder's parameter
    shape: tuple[int, ...]  # in the file
    transposed: bool = False
    third: int | None = None  # which third of the target's rows it fills; None = all of them


def pieces(config: ModelConfig) -> list[Piece]:
    """Every tensor that a checkpoint of this config holds, except a tied head's copy."""
    width, vocab = config.width, config.vocab_size
    found = [Piece("wte.weight", "embedding", (vocab, width)), *_norm("ln_f", "norm", width)]
    if config.family == "gpt2":
        found.append(Piece("wpe.weight", "positions", (config.context, width)))
    else:
        found.append(Piece("lm_head.bias", "head.bias", (vocab,)))
    if not config.tied_head:
        found.append(Piece("lm_head.weight", "head.weight", (vocab, width)))
    block = _gpt2_block if config.family == "gpt2" else _gptj_block
    for layer in range(config.layers):
        found += block(f"h.{layer}.", f"blocks.{layer}.", width, config.inner)
    return found


def _gpt2_block(name: str, target: str, width: int, inner: int) -> list[Piece]:
    products = (
        ("attn.c_attn", "attention.qkv", width, 3 * width),
        ("attn.c_proj", "attention.out", width, width),
        ("mlp.c_fc", "mlp.up", width, inner),
        ("mlp.c_proj", "mlp.down", inner, width),
    )
    found = _norm(f"{name}ln_1", f"{target}norm", width) + _norm(f"{name}ln_2", f"{target}mlp_norm", width)
    for theirs, ours, inputs, outputs in products:
        found.append(Piece(f"{name}{theirs}.weight", f"{target}{ours}.weight", (inputs, outputs), transposed=True))
        found.append(Piece(f"{name}{theirs}.bias", f"{target}{ours}.bias", (outputs,)))
    return found


def _gptj_block(name: str, target: str, width: int, inner: int) -> list[Piece]:
    found = _norm(f"{name}ln_1", f"{target}norm", width)
    for third, letter in enumerate("qkv"):
        qkv = f"{target}attention.qkv.weight"
        found.append(Piece(f"{name}attn.{letter}_proj.weight", qkv, (width, width), third=third))
    return [
        *found,
        Piece(f"{name}attn.out_proj.weight", f"{target}attention.out.weight", (width, width)),
        Piece(f"{name}mlp.fc_in.weight", f"{target}mlp.up.weight", (inner, width)),
        Piece(f"{name}mlp.fc_in.bias", f"{target}mlp.up.bias", (inner,)),
        Piece(f"{name}mlp.fc_out.weight", f"{target}mlp.down.weight", (width, inner)),
        Piece(f"{name}mlp.fc_out.bias", f"{target}mlp.down.bias", (width,)),
    ]


def _norm(name: str, target: str, width: int) -> list[Piece]:
    return [Piece(f"{name}.{part}", f"{target}.{part}", (width,)) for part in ("weight", "bias")]
