"""Weights on disk: file formats, names and shapes, and the precision they are computed in."""
