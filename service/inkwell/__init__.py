"""Inkwell: a self-hosted text-generation service for the GPT-2 and GPT-J model families."""

__version__ = "0.1.0"
