"""What lies in a model's folder: its name, its configuration and its tokenizer, read without torch."""
