"""Conversions as processes: killed, with measured memory, by `--convert`, and as part of a download."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from transformers import PreTrainedModel

from inkwell.checkpoints.catalog import scan
from scripts.conversion import convert
from tests.scripts.checkpoints import PROJECT_ROOT, SCRIPT, command, environment, run
from tests.scripts.hub import Repository, running_hub, sha256
from tests.scripts.pickles import Program, gpt2, gptj, old_state, save_checkpoint, save_sharded

pytestmark = pytest.mark.slow  # starts processes that need seconds

COMMIT = "0123456789abcdef0123456789abcdef01234567"


# --- interruption and memory ------------------------------------------------------------------------------------------
def start_conversion(folder: Path, shard_bytes: int) -> subprocess.Popen[bytes]:
    """Start a conversion and wait until it has begun to write."""
    arguments = [sys.executable, str(PROJECT_ROOT / "scripts" / "conversion.py"), str(folder)]
    process = subprocess.Popen([*arguments, "--shard-bytes", str(shard_bytes)])
    deadline = time.monotonic() + 60
    while not list(folder.glob(".converting-*/*")):
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.002)
    return process


def test_a_killed_conversion_leaves_nothing_servable_and_the_next_one_cleans_up(tmp_path: Path) -> None:
    folder = tmp_path / "old"
    save_checkpoint(gpt2(), folder)
    torch.save({f"h.{n}.w": torch.randn(500) for n in range(1000)}, folder / "pytorch_model.bin")
    process = start_conversion(folder, shard_bytes=2000)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert scan(tmp_path)["old"].state == "needs_conversion"
    (left,) = folder.glob(".converting-*")
    os.utime(left, (time.time() - 2 * 86_400,) * 2)
    convert(folder)
    assert scan(tmp_path)["old"].state == "available"
    assert not list(folder.glob(".converting-*"))


def test_memory_holds_about_one_shard_whatever_the_size_of_the_file(tmp_path: Path) -> None:
    # Transposed, so that no mapped tensor can be written directly: the worst case.
    state = {f"t{n}": torch.randn(1024, 1024).T for n in range(24)}  # 24 x 4 MiB
    torch.save(state, tmp_path / "pytorch_model.bin")
    process = start_conversion(tmp_path, shard_bytes=8 << 20)
    before_kib = peak_kib = anonymous_kib(process.pid)
    while process.poll() is None:
        peak_kib = max(peak_kib, anonymous_kib(process.pid))
        time.sleep(0.002)
    assert process.returncode == 0
    assert len(list(tmp_path.glob("model-*.safetensors"))) == 12
    assert peak_kib - before_kib < 32 << 10, f"{peak_kib - before_kib} KiB for shards of 8 MiB, 96 MiB in all"


def anonymous_kib(pid: int) -> int:
    """The anonymous memory of the process; pages of a mapped file can be dropped and do not count."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in status.splitlines() if line.startswith("RssAnon:")), 0)


# --- the command ------------------------------------------------------------------------------------------------------
def convert_by_command(folder: Path, *more: str) -> subprocess.CompletedProcess[str]:
    return run([sys.executable, str(SCRIPT), "--convert", str(folder), *more], {"PATH": os.defpath})


def test_the_command_converts_once_and_deletes_the_original_only_when_told(tmp_path: Path) -> None:
    folder = tmp_path / "old"
    save_checkpoint(gpt2(), folder)
    assert scan(tmp_path)["old"].state == "needs_conversion"
    done = convert_by_command(folder)
    assert done.returncode == 0, done.stderr
    assert scan(tmp_path)["old"].state == "available"
    assert (folder / "pytorch_model.bin").exists()
    written = (folder / "model.safetensors").stat().st_mtime_ns
    done = convert_by_command(folder, "--delete-original")
    assert "has safetensors already" in done.stderr
    assert (folder / "model.safetensors").stat().st_mtime_ns == written
    assert not (folder / "pytorch_model.bin").exists()


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda folder: (folder / "pytorch_model.bin").unlink(), "no pytorch_model.bin to convert"),
        (lambda folder: (folder / "config.json").write_text('{"model_type": "bert"}'), "bert"),
        (
            lambda folder: torch.save(Program(folder / "ran"), folder / "pytorch_model.bin"),
            "code (it asks for ",
        ),
    ],
)
def test_what_the_command_refuses_is_one_line(tmp_path: Path, spoil: Callable[[Path], object], words: str) -> None:
    save_checkpoint(gpt2(), tmp_path)
    spoil(tmp_path)
    done = convert_by_command(tmp_path)
    assert done.returncode == 1
    assert words in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.glob("*.safetensors")) and not (tmp_path / "ran").exists()


# --- on the way from the hub ------------------------------------------------------------------------------------------
def pickled_repository(folder: Path, model: PreTrainedModel) -> Repository:
    save_checkpoint(model, folder)
    (folder / "pytorch_model.bin").unlink()
    save_sharded(old_state(model), folder)
    return Repository({path.name: path.read_bytes() for path in folder.iterdir()}, COMMIT)


def test_a_repository_of_pickles_arrives_as_safetensors_without_the_token_in_reach(tmp_path: Path) -> None:
    models = tmp_path / "models"
    with running_hub() as hub:
        hub.repositories["acme/old"] = repository = pickled_repository(tmp_path / "source", gptj())
        process = subprocess.Popen(
            command(models, "acme/old"), env=environment(hub.url, tmp_path / "home", HF_TOKEN="hf_secret")
        )
        seen = environments_of_conversions(models, process)
    assert process.returncode == 0
    assert scan(models)["old"].state == "available"
    assert not list((models / "old").glob("pytorch_model*"))
    record = json.loads((models / "old" / "inkwell.json").read_text())
    pickles = {name: content for name, content in repository.files.items() if name.endswith(".bin")}
    assert record["converted_from"] == {
        name: {"size_bytes": len(content), "sha256": sha256(content)} for name, content in pickles.items()
    }
    assert record["files"].keys() == {path.name for path in (models / "old").iterdir()} - {"inkwell.json"}
    assert seen and not any(b"hf_secret" in environ for environ in seen)


def environments_of_conversions(models: Path, process: subprocess.Popen[bytes]) -> list[bytes]:
    """Collect the environments of running conversions of folders in `models`."""
    seen = []
    while process.poll() is None:
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                arguments = (folder / "cmdline").read_bytes()
                if b"conversion.py" in arguments and str(models).encode() in arguments:
                    seen.append((folder / "environ").read_bytes())
            except OSError:
                continue  # it has ended meanwhile
        time.sleep(0.05)
    return seen


def test_a_repository_with_a_program_in_it_is_refused_and_nothing_is_served(tmp_path: Path) -> None:
    models, mark = tmp_path / "models", tmp_path / "ran"
    with running_hub() as hub:
        repository = pickled_repository(tmp_path / "source", gptj())
        torch.save({"a": Program(mark)}, tmp_path / "evil.bin")
        repository.files["pytorch_model-00002-of-00003.bin"] = (tmp_path / "evil.bin").read_bytes()
        hub.repositories["acme/evil"] = repository
        done = run(command(models, "acme/evil"), environment(hub.url, tmp_path / "home"))
    assert done.returncode == 1
    assert "pytorch_model-00002-of-00003.bin is damaged or contains code" in done.stderr.splitlines()[-1]
    assert scan(models) == {} and not mark.exists()
