"""The benchmark targets: each module is one, and runs in a new process of its own."""
