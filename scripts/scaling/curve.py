"""A service curve: the measured time of an engine step for one model on one machine.

A step takes fixed_s + row_s per decoding row + prompt_token_s per prompt token, the same model that the engine plans
with (`engine/step_costs.py`). The files in `curves/` record machine, date and a W3 run for validating simulations.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

CURVES = Path(__file__).resolve().parent / "curves"
Observation = tuple[int, int, int, float]  # steps timed together; sums of their rows, prompt tokens and seconds


@dataclass(frozen=True, slots=True)
class Check:
    """W3 of the benchmark in process: a closed loop, measured together with the curve."""

    clients: int
    output_tokens_per_s: float
    latency_p50_s: float
    latency_p95_s: float
    requests: int = 64


@dataclass(frozen=True, slots=True)
class Curve:
    """The three times of a step, and where and when they were measured."""

    model: str
    dtype: str
    machine: str
    cores: int  # threads of the engine
    rows: int  # maximum rows of the engine: the settings' default, or as many as its key-value cache holds
    date: str
    inkwell: str  # commit
    fixed_s: float
    row_s: float
    prompt_token_s: float
    fit_error: float  # median of the relative differences between fit and observations
    load_s: float  # of a worker with files in the page cache: import of torch, load, warm-up
    batch_invariant: bool  # the property of the decoder that decides how the scheduler splits prompts
    check: Check | None = None

    @property
    def name(self) -> str:
        return f"{self.model} {self.dtype}"

    def step_s(self, rows: int, prompt_tokens: int = 0) -> float:
        """The time of a step with this many decoding rows and prompt tokens."""
        return self.fixed_s + self.row_s * rows + self.prompt_token_s * prompt_tokens

    def request_s(self, prompt_tokens: float, new_tokens: float) -> float:
        """The share of a full pod's time that one request takes: the steps' fixed part is shared by all rows."""
        return new_tokens * (self.fixed_s / self.rows + self.row_s) + prompt_tokens * self.prompt_token_s


def fitted(observations: Sequence[Observation]) -> tuple[float, float, float, float]:
    """Fit fixed_s, row_s and prompt_token_s by least squares of relative errors; also returns their median error.

    A negative coefficient is set to zero and the others are fitted again.
    """
    values = np.array(observations, float)
    scaled = values[:, :3] / values[:, 3:]  # relative errors weight long and short observations equally
    weights, kept = np.full(3, -1.0), [0, 1, 2]
    while (weights < 0).any():
        weights = np.zeros(3)
        weights[kept] = np.linalg.lstsq(scaled[:, kept], np.ones(len(scaled)), rcond=None)[0]
        kept = [index for index in kept if weights[index] > weights.min()]
    fixed_s, row_s, prompt_token_s = weights.tolist()
    return fixed_s, row_s, prompt_token_s, float(np.median(np.abs(scaled @ weights - 1)))


def write_curve(curve: Curve, file: Path) -> None:
    """Write the curve as JSON, with times rounded to microseconds."""
    values = {name: round(value, 6) if isinstance(value, float) else value for name, value in asdict(curve).items()}
    file.write_text(json.dumps(values, indent=1) + "\n")


def read_curve(file: Path) -> Curve:
    """Read a curve written by `write_curve`."""
    values = json.loads(file.read_text())
    return Curve(**values | {"check": Check(**values["check"]) if values["check"] else None})
