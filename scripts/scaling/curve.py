"""A service curve: what one step of the engine takes for one model on one machine, as it was measured.

A step takes fixed + per row that decodes + per token of a prompt, the measure by which the engine itself plans
(engine/step_costs.py). The files in `curves/` say on which machine and when, and what was measured beside the
fit, so that a simulation can be held against it. Raises ValueError for a file of another shape.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

CURVES = Path(__file__).resolve().parent / "curves"


@dataclass(frozen=True, slots=True)
class Observation:
    """Steps that were timed together, and what was in all of them together."""

    steps: int
    rows: int  # rows that decoded, summed over the steps
    prompt_tokens: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Check:
    """W3 of the benchmark, measured in process by the same command as the fit: a closed loop of up to 64 requests."""

    clients: int
    output_tokens_per_s: float
    latency_p50_s: float
    latency_p95_s: float
    requests: int = 64


@dataclass(frozen=True, slots=True)
class Curve:
    """Seconds of a step, and where they were measured."""

    model: str
    dtype: str
    machine: str
    cores: int
    rows: int  # that the engine ran at most, by the settings' defaults as far as its cache of keys and values held them
    date: str
    inkwell: str  # commit
    fixed_s: float
    row_s: float
    prompt_token_s: float
    fit_error: float  # median of the relative differences between the fit and what was observed beside it
    load_s: float  # of a worker with files in the page cache: import of torch, load, warm-up
    uniform: bool  # whether prompts are cut by measured cost; else one piece of a fixed length a step (torch alone)
    check: Check | None = None

    @property
    def name(self) -> str:
        return f"{self.model} {self.dtype}"

    def step_s(self, rows: int, prompt_tokens: int = 0) -> float:
        """The time of a step with so many decoding rows and tokens of prompts."""
        return self.fixed_s + self.row_s * rows + self.prompt_token_s * prompt_tokens


def fitted(observations: Sequence[Observation]) -> tuple[float, float, float, float]:
    """Seconds fixed, a row and a prompt token, and the median relative error; least squares of relative errors.

    None of the three comes out below zero: one that would is left out and the others are fitted again.
    """
    counts = np.array([(item.steps, item.rows, item.prompt_tokens) for item in observations], float)
    seconds = np.array([item.seconds for item in observations])
    scaled = counts / seconds[:, None]  # every observation weighs the same, whether it took long or not
    kept = [0, 1, 2]
    while True:
        found = np.linalg.lstsq(scaled[:, kept], np.ones(len(seconds)), rcond=None)[0]
        if (found >= 0).all():
            break
        kept.remove(kept[int(found.argmin())])
    weights = np.zeros(3)
    weights[kept] = found
    error = float(np.median(np.abs(scaled @ weights - 1)))
    return float(weights[0]), float(weights[1]), float(weights[2]), error


def write_curve(curve: Curve, file: Path) -> None:
    """Times in microseconds are exact enough and read well."""
    values = {name: round(value, 6) if isinstance(value, float) else value for name, value in asdict(curve).items()}
    file.write_text(json.dumps(values, indent=1) + "\n")


def read_curve(file: Path) -> Curve:
    """The curve of a file that `write_curve` made."""
    values = json.loads(file.read_text())
    try:
        check = Check(**values["check"]) if values.get("check") else None
        return Curve(**{**values, "check": check})
    except (KeyError, TypeError) as error:
        raise ValueError(f"{file.name} is no service curve: {error}") from None


def curve_named(name: str) -> Curve:
    """A committed curve by its file's name, or any curve by a path that ends in .json."""
    file = Path(name) if name.endswith(".json") else CURVES / f"{name}.json"
    if not file.is_file():
        known = ", ".join(sorted(path.stem for path in CURVES.glob("*.json")))
        raise ValueError(f"there is no curve {name}; there are {known}")
    return read_curve(file)
