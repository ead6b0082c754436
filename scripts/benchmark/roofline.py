"""The memory bandwidth limit of a single stream: every step must read every weight once.

A step of one row is a sequence of matrix-vector products: it reads each matrix once and computes two operations per
number, which any processor does faster than memory delivers the numbers (S. Williams, A. Waterman, D. Patterson:
Roofline, CACM 52(4), 2009). Lookup tables, of which a step reads one row (embedding, positions), only count if they are
the head.
"""

from collections.abc import Mapping

from inkwell.checkpoints.model_config import ModelConfig

MIB = 1 << 20
GROUP = 32  # numbers per scale in the 4-bit format
BYTES_PER_NUMBER = {
    "float32": 4.0,
    "bfloat16": 2.0,
    "float16": 2.0,
    "int8": 1.0,  # plus one scale per row, which adds less than a thousandth
    "int4": 0.5 + 2 / GROUP,
}


def numbers_per_step(config: ModelConfig) -> int:
    """Return the number of matrix elements that one step multiplies, including the head."""
    block = 4 * config.width * config.width + 2 * config.width * config.inner
    return config.layers * block + config.vocab_size * config.width


def bytes_per_step(config: ModelConfig, dtype: str) -> float:
    """Return the bytes of weights that one step must read if all of them have this format.

    Inkwell stores the head of an int4 model in 8 bits, so its own limit is lower than this one.
    """
    return numbers_per_step(config) * BYTES_PER_NUMBER[dtype]


def bandwidth_for(size_bytes: float, bytes_per_s: Mapping[str, float]) -> float:
    """Return the bandwidth measured with the block size nearest to the size of the weights."""
    nearest = min(bytes_per_s, key=lambda size_mib: abs(int(size_mib) * MIB - size_bytes))
    return bytes_per_s[nearest]


def limit_tokens_per_s(config: ModelConfig, dtype: str, bytes_per_s: Mapping[str, float]) -> float:
    """Return the memory bandwidth limit of one stream in tokens per second."""
    size = bytes_per_step(config, dtype)
    return bandwidth_for(size, bytes_per_s) / size
