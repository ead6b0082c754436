"""Random numbers that are functions of what they are for: no generator, no state, the same after a restart."""

import hashlib
import struct


def uniform(seed: int, sample: int, draw: int) -> float:
    """The `draw`-th number of a sample's stream, in [0, 1): the top 53 bits of a keyed BLAKE2b hash of the counter."""
    digest = hashlib.blake2b(struct.pack("<QQQ", seed, sample, draw), digest_size=8, person=b"inkwell-draw").digest()
    return (int.from_bytes(digest, "little") >> 11) * 2.0**-53
