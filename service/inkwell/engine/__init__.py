"""Token ids in, token ids out: tensors, sampling and continuous batching. Knows no HTTP, text or model names."""
