"""Command-line tools for checkpoints (download, convert, train) and benchmarks; the service imports none of them."""
