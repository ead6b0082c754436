"""The parts of `scripts/simulate_scaling.py`: a pod as the engine's arithmetic, and what adds and removes pods."""
