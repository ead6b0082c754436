"""The endpoints of Hugging Face's Text Generation Inference."""

from inkwell.dialects.tgi.routes import register

__all__ = ["register"]
