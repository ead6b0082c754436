"""Which models exist, which of them run, and who uses them. Knows no HTTP and no tensors."""
