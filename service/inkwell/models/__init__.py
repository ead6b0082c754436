"""Which models exist, which of them run, and how many requests use them. Knows no HTTP and no tensors."""
