"""Weights on disk: file formats, names and shapes, and the precision that a model is computed in."""
