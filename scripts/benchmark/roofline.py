"""The limit that memory sets to a single stream: every step must read every weight once.

A step of one row is a sequence of matrix-vector products: it reads each matrix once and computes two operations a
number, which any processor does faster than its memory delivers (S. Williams, A. Waterman, D. Patterson: Roofline,
CACM 52(4), 2009). Tables from which a step takes one row (embedding, positions) count only where they are the head.
"""

from collections.abc import Mapping

from inkwell.checkpoints.model_config import ModelConfig

MIB = 1 << 20
GROUP = 32  # numbers that share a scale in the 4-bit format
BYTES_PER_NUMBER = {
    "float32": 4.0,
    "bfloat16": 2.0,
    "float16": 2.0,
    "int8": 1.0,  # and a scale a row, which is less than a thousandth
    "int4": 0.5 + 2 / GROUP,
}


def numbers_per_step(config: ModelConfig) -> int:
    """Numbers in the matrices that one step multiplies with, the head among them."""
    block = 4 * config.width * config.width + 2 * config.width * config.inner
    return config.layers * block + config.vocab_size * config.width


def bytes_per_step(config: ModelConfig, dtype: str) -> float:
    """Bytes of weights that one step must move, if all of them have this format.

    Inkwell holds the head of an int4 model in 8 bits, so its own limit is lower than this one.
    """
    return numbers_per_step(config) * BYTES_PER_NUMBER[dtype]


def bandwidth_for(size_bytes: float, bytes_per_s: Mapping[str, float]) -> float:
    """The measured bandwidth of the block whose size is nearest to that of the weights."""
    nearest = min(bytes_per_s, key=lambda size_mib: abs(int(size_mib) * MIB - size_bytes))
    return bytes_per_s[nearest]


def limit_tokens_per_s(config: ModelConfig, dtype: str, bytes_per_s: Mapping[str, float]) -> float:
    """Tokens a second of one stream that memory allows."""
    size = bytes_per_step(config, dtype)
    return bandwidth_for(size, bytes_per_s) / size
