"""The parts of `scripts/simulate_scaling.py`: curves, pods driven by the real scheduler, and the HPA's control loop."""
