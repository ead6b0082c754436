"""OpenVINO's own form of the run's checkpoint, made by optimum-intel in the environment that measures it, and kept."""

import os
import shutil
import subprocess
from pathlib import Path

from scripts.benchmark.checkpoint import Checkpoint

# Without bfloat16 in the processor the pipeline computes in float32 whatever it is given, from 16-bit weights here.
WEIGHT_FORMATS = {"float32": "fp32", "bfloat16": "fp16", "int8": "int8", "int4": "int4"}
SHOWN_CHARACTERS = 1500


def exported(checkpoint: Checkpoint, dtype: str, python: str) -> Path:
    """The folder of the exported model; raises RuntimeError with what the exporter said when it cannot be made."""
    folder = checkpoint.folder.parents[1] / "openvino" / f"{checkpoint.name}-{dtype}"
    if (folder / "openvino_model.xml").exists():
        return folder
    half = folder.with_name(f"{folder.name}.half")
    shutil.rmtree(half, ignore_errors=True)
    half.parent.mkdir(parents=True, exist_ok=True)
    command = [
        str(Path(python).parent / "optimum-cli"), "export", "openvino", "--model", str(checkpoint.folder),
        "--task", "text-generation-with-past", "--weight-format", WEIGHT_FORMATS[dtype], str(half),
    ]  # fmt: skip
    try:
        done = subprocess.run(command, env={**os.environ, "HF_HUB_OFFLINE": "1"}, capture_output=True, text=True)
    except OSError as error:
        raise RuntimeError(f"optimum-intel is not in the environment of {python}: {error}") from error
    if done.returncode:
        raise RuntimeError(f"the export to OpenVINO failed: {done.stderr[-SHOWN_CHARACTERS:].strip()}")
    half.rename(folder)
    return folder
