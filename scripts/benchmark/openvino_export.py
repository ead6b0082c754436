"""Exports the checkpoint to OpenVINO's format with optimum-intel, in OpenVINO's environment; exports are kept."""

import os
import shutil
import subprocess
from pathlib import Path

from scripts.benchmark.checkpoint import Checkpoint

# On a processor without bfloat16 the pipeline always computes in float32, here from 16-bit weights.
WEIGHT_FORMATS = {"float32": "fp32", "bfloat16": "fp16", "int8": "int8", "int4": "int4"}
SHOWN_CHARACTERS = 1500


def exported(checkpoint: Checkpoint, dtype: str, python: str) -> Path:
    """Return the folder of the exported model; raises RuntimeError with the exporter's output if it fails."""
    folder = checkpoint.folder.parents[1] / "openvino" / f"{checkpoint.name}-{dtype}"
    if (folder / "openvino_model.xml").exists():
        return folder
    partial = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.parent.mkdir(parents=True, exist_ok=True)
    command = [
        str(Path(python).parent / "optimum-cli"), "export", "openvino", "--model", str(checkpoint.folder),
        "--task", "text-generation-with-past", "--weight-format", WEIGHT_FORMATS[dtype], str(partial),
    ]  # fmt: skip
    try:
        done = subprocess.run(command, env={**os.environ, "HF_HUB_OFFLINE": "1"}, capture_output=True, text=True)
    except OSError as error:
        raise RuntimeError(f"optimum-intel is not in the environment of {python}: {error}") from error
    if done.returncode:
        raise RuntimeError(f"the export to OpenVINO failed: {done.stderr[-SHOWN_CHARACTERS:].strip()}")
    partial.rename(folder)
    return folder
