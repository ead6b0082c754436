"""The parts of scripts/bench.py: workloads, targets in separate processes, metrics, tables and plots."""
