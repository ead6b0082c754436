"""Bringing one model home: list, look for room, fetch, convert, check, publish. The only place that knows the order.

Takes an `Order`, leaves a complete folder below the models directory or nothing that the registry would see. Pickled
weights are opened by a process of their own (`scripts/conversion.py`), which is given no environment and so no token.
"""

import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub.utils import tqdm

from scripts.checkpoint_check import check_checkpoint, check_small_files
from scripts.hub_client import Hub
from scripts.incoming import came_from, claim, origin, origin_text, publish, require_room, write_record
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

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Order:
    """What to download, and the name of the folder it goes into; without a revision, the newest one."""

    name: str
    hub_id: str
    revision: str | None


def obtain(order: Order, models_dir: Path, hub: Hub, *, force: bool, say: Say) -> None:
    """Bring a model below `models_dir`; one that is there at the same revision is left alone."""
    target = models_dir / order.name
    if not force and _is_there(order, target, say):
        return
    with claim(models_dir, order.name, say) as gathering:
        if not force and _is_there(order, target, say):  # whoever was waited for has done it
            return
        listing = hub.listing(order.hub_id, order.revision)
        if order.revision is None:
            say(f"{order.hub_id} is at revision {listing.revision}; give it as --revision to get the same again")
        folder = gathering / listing.revision
        folder.mkdir(exist_ok=True)
        try:
            _complete(listing, folder, target, hub, say)
            publish(folder, target, replace=force)
        except OSError:
            # Where locks do nothing, another process may have moved the folder into place under our hands.
            if folder.exists() or origin(target) != (listing.hub_id, listing.revision):
                raise
    say(f"{target} is ready, from {listing.hub_id} at {listing.revision}")


def convert_folder(folder: Path, *, delete_original: bool, say: Say) -> None:
    """Give a folder with pickled weights safetensors beside them, once."""
    pickles = sorted(path for path in folder.iterdir() if is_pickle(path.name)) if folder.is_dir() else []
    if (folder / "model.safetensors").exists() or (folder / "model.safetensors.index.json").exists():
        say(f"{folder} has safetensors already")
    elif not pickles:
        raise DownloadError(f"{folder} has no pytorch_model.bin to convert")
    else:
        check_small_files(folder)
        require_room(folder, sum(path.stat().st_size for path in pickles), f"converting {folder.name}")
        _convert(folder, pickles, say)
    check_checkpoint(folder)
    if delete_original:
        _remove_pickles(folder)
    say(f"{folder} is ready")


def _is_there(order: Order, target: Path, say: Say) -> bool:
    if not target.exists() or not any(target.iterdir()):
        return False
    if came_from(target, order.hub_id, order.revision):
        say(f"{target} is there already, from {origin_text(target)}; --force downloads it again")
        return True
    raise DownloadError(
        f"{target} holds {origin_text(target)}: --force replaces it, --as NAME puts the new one beside it"
    )


def _complete(listing: Listing, folder: Path, target: Path, hub: Hub, say: Say) -> None:
    """Make `folder` a whole checkpoint that can become `target`, whatever of it is there already."""
    files = choose_files(listing)
    pickles = [file for file in files if is_pickle(file.name)]
    missing = [file for file in files if not _is_right(folder / file.name, file)]
    partials = [folder / file.partial_name for file in missing]
    present_bytes = sum(path.stat().st_size for path in partials if path.exists())
    # Pickled weights need their room twice: until the conversion is done both forms are there.
    twice_bytes = sum(file.size_bytes for file in pickles)
    missing_bytes = sum(file.size_bytes for file in missing) - present_bytes
    require_room(target.parent, missing_bytes + twice_bytes, target.name)
    _fetch_all(target.name, listing, missing, folder, hub, present_bytes, say)
    if pickles:
        _convert(folder, [folder / file.name for file in pickles], say)
    check_checkpoint(folder)
    write_record(folder, listing, files)
    _remove_pickles(folder)


def _fetch_all(
    name: str, listing: Listing, missing: Sequence[RemoteFile], folder: Path, hub: Hub, present_bytes: int, say: Say
) -> None:
    total_bytes = sum(file.size_bytes for file in missing)
    if present_bytes:
        say(f"{name}: going on after {size_text(present_bytes)} of {size_text(total_bytes)}")
    first_large = next((file for file in missing if is_weights(file.name)), None)
    bar = tqdm(total=total_bytes, initial=present_bytes, desc=name, unit="B", unit_scale=True, disable=None)
    with bar:
        for file in missing:
            if file is first_large:
                check_small_files(folder)
            if bar.disable:
                say(f"{name}: {file.name}, {size_text(file.size_bytes)}")
            hub.fetch(listing, file, folder, lambda count: bar.update(count))


def _is_right(path: Path, file: RemoteFile) -> bool:
    """Whether an earlier run has brought this file; one with another content makes way."""
    if not path.exists():
        return False
    if file.matches(path):
        return True
    path.unlink(missing_ok=True)
    return False


def _convert(folder: Path, pickles: Sequence[Path], say: Say) -> None:
    """Have a process without environment, and so without token, read what strangers pickled."""
    say(f"converting {size_text(sum(path.stat().st_size for path in pickles))} of pickled weights to safetensors")
    command = [sys.executable, "-I", "-W", "ignore", str(CONVERSION), str(folder.resolve())]
    done = subprocess.run(command, env={}, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode < 0:
        raise DownloadError(f"the conversion was killed by signal {-done.returncode}: was there memory enough?")
    if done.returncode:
        raise DownloadError(f"the conversion failed: {(done.stderr.strip() or 'no reason given').splitlines()[-1]}")


def _remove_pickles(folder: Path) -> None:
    for path in folder.iterdir():
        if is_pickle(path.name) or path.name == PICKLE_INDEX:
            path.unlink(missing_ok=True)
