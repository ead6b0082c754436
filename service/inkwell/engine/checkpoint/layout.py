"""Which tensor of a checkpoint fills which parameter of the `Decoder`, and the shape it must have.

Plain Python: a `ModelConfig` in, a list of `WeightMapping` out. The loader checks files against this list, and
scripts/make_random_model.py writes files according to it. Files and decoder differ in two ways: GPT-2 stores its linear
weights as [in, out] (transposed when read), and GPT-J stores query, key and value separately (fused when read).
"""

from dataclasses import dataclass

from inkwell.checkpoints.model_config import ModelConfig


@dataclass(frozen=True, slots=True)
class WeightMapping:
    """One tensor of a checkpoint and the parameter that it fills."""

    name: str  # in the file, without the prefix `transformer.`
    target: str  # the decoder's parameter
    shape: tuple[int, ...]  # in the file
    transposed: bool = False
    third: int | None = None  # which third of the target's rows it fills; None: all rows


def weight_map(config: ModelConfig) -> list[WeightMapping]:
    """Every tensor in a checkpoint of this config, except a tied head's copy."""
    width, vocab = config.width, config.vocab_size
    found = [WeightMapping("wte.weight", "embedding", (vocab, width)), *_norm("ln_f", "norm", width)]
    if config.family == "gpt2":
        found.append(WeightMapping("wpe.weight", "positions", (config.context, width)))
    else:
        found.append(WeightMapping("lm_head.bias", "head.bias", (vocab,)))
    if not config.tied_head:
        found.append(WeightMapping("lm_head.weight", "head.weight", (vocab, width)))
    block = _gpt2_block if config.family == "gpt2" else _gptj_block
    for layer in range(config.layers):
        found += block(f"h.{layer}.", f"blocks.{layer}.", width, config.inner)
    return found


def _gpt2_block(name: str, target: str, width: int, inner: int) -> list[WeightMapping]:
    products = (
        ("attn.c_attn", "attention.qkv", width, 3 * width),
        ("attn.c_proj", "attention.out", width, width),
        ("mlp.c_fc", "mlp.up", width, inner),
        ("mlp.c_proj", "mlp.down", inner, width),
    )
    found = _norm(f"{name}ln_1", f"{target}norm", width) + _norm(f"{name}ln_2", f"{target}mlp_norm", width)
    for stored, parameter, inputs, outputs in products:
        weight = f"{target}{parameter}.weight"
        found.append(WeightMapping(f"{name}{stored}.weight", weight, (inputs, outputs), transposed=True))
        found.append(WeightMapping(f"{name}{stored}.bias", f"{target}{parameter}.bias", (outputs,)))
    return found


def _gptj_block(name: str, target: str, width: int, inner: int) -> list[WeightMapping]:
    found = _norm(f"{name}ln_1", f"{target}norm", width)
    for third, letter in enumerate("qkv"):
        qkv = f"{target}attention.qkv.weight"
        found.append(WeightMapping(f"{name}attn.{letter}_proj.weight", qkv, (width, width), third=third))
    return [
        *found,
        WeightMapping(f"{name}attn.out_proj.weight", f"{target}attention.out.weight", (width, width)),
        WeightMapping(f"{name}mlp.fc_in.weight", f"{target}mlp.up.weight", (inner, width)),
        WeightMapping(f"{name}mlp.fc_in.bias", f"{target}mlp.up.bias", (inner,)),
        WeightMapping(f"{name}mlp.fc_out.weight", f"{target}mlp.down.weight", (width, inner)),
        WeightMapping(f"{name}mlp.fc_out.bias", f"{target}mlp.down.bias", (width,)),
    ]


def _norm(name: str, target: str, width: int) -> list[WeightMapping]:
    return [WeightMapping(f"{name}.{part}", f"{target}.{part}", (width,)) for part in ("weight", "bias")]
