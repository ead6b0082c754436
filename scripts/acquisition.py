"""Downloads one model: list its files, check disk space, fetch, convert, verify, publish.

Takes a `DownloadRequest` and creates either a complete folder in the models directory or nothing that the registry
sees. Pickled weights are only opened by a separate process (`scripts/conversion.py`), which gets no environment
variables and therefore no token.
"""

import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub.utils import tqdm

from scripts.checkpoint_check import check_checkpoint, check_small_files
from scripts.hub_client import Hub
from scripts.incoming import came_from, origin, origin_text, publish, require_disk_space, staging_folder, write_record
from scripts.repository import (
    PICKLE_INDEX,
    DownloadError,
    Listing,
    RemoteFile,
    choose_files,
    is_pickle,
    is_weights,
    size_text,
)

CONVERSION = Path(__file__).resolve().parent / "conversion.py"

Log = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class DownloadRequest:
    """A repository at a revision (the newest one if None), and the folder name for it."""

    name: str
    hub_id: str
    revision: str | None


def download_model(request: DownloadRequest, models_dir: Path, hub: Hub, *, force: bool, log: Log) -> None:
    """Download a model into `models_dir`, unless it is there already at the same revision."""
    target = models_dir / request.name
    if not force and _is_downloaded(request, target, log):
        return
    with staging_folder(models_dir, request.name, log) as staging:
        if not force and _is_downloaded(request, target, log):  # done by another process in the meantime
            return
        listing = hub.listing(request.hub_id, request.revision)
        if request.revision is None:
            log(
                f"{request.hub_id} is at revision {listing.revision}; pass it as --revision to get the same files again"
            )
        folder = staging / listing.revision
        folder.mkdir(exist_ok=True)
        try:
            _build(listing, folder, target, hub, log)
            publish(folder, target, replace=force)
        except OSError:
            # On file systems without working locks, another process may have published the folder meanwhile.
            if folder.exists() or origin(target) != (listing.hub_id, listing.revision):
                raise
    log(f"{target} is ready, from {listing.hub_id} at {listing.revision}")


def convert_folder(folder: Path, *, delete_original: bool, log: Log) -> None:
    """Convert the pickled weights of a folder to safetensors, unless it has those already."""
    pickles = sorted(path for path in folder.iterdir() if is_pickle(path.name)) if folder.is_dir() else []
    if (folder / "model.safetensors").exists() or (folder / "model.safetensors.index.json").exists():
        log(f"{folder} has safetensors already")
    elif not pickles:
        raise DownloadError(f"{folder} has no pytorch_model.bin to convert")
    else:
        check_small_files(folder)
        require_disk_space(folder, sum(path.stat().st_size for path in pickles), f"converting {folder.name}")
        _convert(folder, pickles, log)
    check_checkpoint(folder)
    if delete_original:
        _remove_pickles(folder)
    log(f"{folder} is ready")


def _is_downloaded(request: DownloadRequest, target: Path, log: Log) -> bool:
    if not target.exists() or not any(target.iterdir()):
        return False
    if came_from(target, request.hub_id, request.revision):
        log(f"{target} exists already, from {origin_text(target)}; --force downloads it again")
        return True
    raise DownloadError(
        f"{target} contains {origin_text(target)}: use --force to replace it, or --as NAME for another folder"
    )


def _build(listing: Listing, folder: Path, target: Path, hub: Hub, log: Log) -> None:
    """Complete the checkpoint in `folder`, which is to become `target`; verified files are not fetched again."""
    files = choose_files(listing)
    pickles = [file for file in files if is_pickle(file.name)]
    missing = [file for file in files if not _is_verified(folder / file.name, file)]
    partials = [folder / file.partial_name for file in missing]
    present_bytes = sum(path.stat().st_size for path in partials if path.exists())
    # Pickled weights need twice the space: until the conversion is done, both forms exist.
    converted_bytes = sum(file.size_bytes for file in pickles)
    missing_bytes = sum(file.size_bytes for file in missing) - present_bytes
    require_disk_space(target.parent, missing_bytes + converted_bytes, target.name)
    _fetch_all(target.name, listing, missing, folder, hub, present_bytes, log)
    if pickles:
        _convert(folder, [folder / file.name for file in pickles], log)
    check_checkpoint(folder)
    write_record(folder, listing, files)
    _remove_pickles(folder)


def _fetch_all(
    name: str, listing: Listing, missing: Sequence[RemoteFile], folder: Path, hub: Hub, present_bytes: int, log: Log
) -> None:
    total_bytes = sum(file.size_bytes for file in missing)
    if present_bytes:
        log(f"{name}: resuming after {size_text(present_bytes)} of {size_text(total_bytes)}")
    first_large = next((file for file in missing if is_weights(file.name)), None)
    bar = tqdm(total=total_bytes, initial=present_bytes, desc=name, unit="B", unit_scale=True, disable=None)
    with bar:
        for file in missing:
            if file is first_large:
                check_small_files(folder)
            if bar.disable:
                log(f"{name}: {file.name}, {size_text(file.size_bytes)}")
            hub.fetch(listing, file, folder, lambda count: bar.update(count))


def _is_verified(path: Path, file: RemoteFile) -> bool:
    """Whether the file is there with the right content; a file with other content is removed."""
    if not path.exists():
        return False
    if file.matches(path):
        return True
    path.unlink(missing_ok=True)
    return False


def _convert(folder: Path, pickles: Sequence[Path], log: Log) -> None:
    """Convert untrusted pickles in a process without environment variables, and therefore without a token."""
    log(f"converting {size_text(sum(path.stat().st_size for path in pickles))} of pickled weights to safetensors")
    command = [sys.executable, "-I", "-W", "ignore", str(CONVERSION), str(folder.resolve())]
    done = subprocess.run(command, env={}, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode < 0:
        raise DownloadError(f"the conversion was killed by signal {-done.returncode}; it may have run out of memory")
    if done.returncode:
        raise DownloadError(f"the conversion failed: {(done.stderr.strip() or 'no reason given').splitlines()[-1]}")


def _remove_pickles(folder: Path) -> None:
    for path in folder.iterdir():
        if is_pickle(path.name) or path.name == PICKLE_INDEX:
            path.unlink(missing_ok=True)
