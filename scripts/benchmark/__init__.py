"""The parts of scripts/bench.py: workloads, targets in processes of their own, figures and their presentation."""
