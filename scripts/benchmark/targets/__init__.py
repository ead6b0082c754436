"""What is measured: each module here is one target and runs in a process of its own, started fresh."""
