"""The contents of a model's folder: its name, its configuration and its tokenizer, read without torch."""
