"""Why no token can be chosen from a row of logits, as the error that its request gets."""

from inkwell.engine.contract import Sampling
from inkwell.engine.sampling.logit_bias import bans_all
from inkwell.errors import InkwellError, InvalidLogits, InvalidParameter


def invalid_logits() -> InvalidLogits:
    return InvalidLogits("the model's output is not a number; its weights may be damaged")


def fault_of(finite: bool, sampling: Sampling, vocab_size: int) -> InkwellError | None:
    """None for a row of finite logits that leaves a token to choose."""
    if not finite:
        return invalid_logits()
    if bans_all(sampling, vocab_size):
        return InvalidParameter(f"logit_bias bans all {vocab_size} tokens of the model", param="logit_bias")
    return None
