"""Token ids in, token ids out: tensors, sampling and continuous batching; nothing of HTTP, text or model names."""
