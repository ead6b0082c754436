"""The decoder's tensors while a checkpoint is read: allocated in the right precision, filled one by one, assigned.

Takes the tensors of a checkpoint as floats and sets the parameters of a decoder. Knows no files.
"""

import torch
from torch import Tensor, nn

from inkwell.engine.checkpoint.layout import WeightMapping
from inkwell.engine.checkpoint.precision import INTEGERS, Precision
from inkwell.engine.model.decoder import Decoder
from inkwell.engine.native.quantization import GROUP, packed_width, quantize


class WeightTensors:
    """One tensor for each parameter of `decoder`, and one with the scales of each 8-bit matrix."""

    def __init__(self, decoder: Decoder, precision: Precision, device: torch.device | str) -> None:
        self._tensors: dict[str, Tensor] = {}
        self._scales: dict[str, Tensor] = {}
        self._filled: set[str] = set()
        for name, parameter in decoder.named_parameters():
            dtype = _dtype_of(name, parameter.shape, precision)
            *rows, last = parameter.shape
            self._tensors[name] = torch.empty(*rows, packed_width(last, dtype), dtype=dtype, device=device)
            if dtype == torch.int8:
                self._scales[name] = torch.empty(*rows, dtype=torch.float32, device=device)

    def fill(self, mapping: WeightMapping, source: Tensor) -> None:
        """Copy or quantise one tensor of the checkpoint, already transposed to [out, in], into its parameter."""
        target, scale = self._tensors[mapping.target], self._scales.get(mapping.target)
        self._filled.add(mapping.target)
        if mapping.third is not None:
            target = target.chunk(3)[mapping.third]
            scale = None if scale is None else scale.chunk(3)[mapping.third]
        if target.dtype in INTEGERS.values():
            quantize(source, target, scale)
        else:
            target.copy_(source)

    def assign_to(self, decoder: Decoder) -> None:
        """Make the tensors the decoder's parameters."""
        assert self._filled == self._tensors.keys(), self._tensors.keys() - self._filled
        for name, tensor in self._tensors.items():
            path, _, last = name.rpartition(".")
            setattr(decoder.get_submodule(path), last, nn.Parameter(tensor, requires_grad=False))
        for name, scale in self._scales.items():
            if name == "embedding":
                decoder.embedding_scale = scale
            else:
                decoder.get_submodule(name.removesuffix(".weight")).scale = scale
        decoder.tie_head()


def _dtype_of(name: str, shape: torch.Size, precision: Precision) -> torch.dtype:
    if len(shape) < 2 or name == "positions":
        return precision.vectors
    if precision.matrices == torch.uint8 and (name in ("embedding", "head.weight") or shape[1] % GROUP):
        return torch.int8  # 4 bits degrade the embedding more than the speed is worth, and rows must be whole groups
    return precision.matrices
