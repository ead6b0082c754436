"""The decoder of GPT-2 and GPT-J and everything that one forward pass needs."""
