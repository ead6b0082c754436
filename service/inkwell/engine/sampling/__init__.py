"""From logits to tokens: processors, exact sampling, log-probabilities and their inspection."""
