#!/usr/bin/env python3
"""Download models into models/NAME: `python3 scripts/download_model.py 124M`, from any directory.

Reads the command line, hands one order after the other to `scripts.acquisition`, and turns every failure into one line
on stderr and exit code 1. The hub is HF_ENDPOINT, the token HF_TOKEN, as huggingface_hub documents them.
"""

import argparse
import errno
import os
import shlex
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

PROJECT_ROOT = Path(__file__).resolve().parent.parent
MODELS_DIR = PROJECT_ROOT / "models"
# Started as a file, Python only finds the folder of that file.
sys.path[:0] = [str(PROJECT_ROOT), str(PROJECT_ROOT / "service")]
# Else the client asks the hub for one more file before its first request, to complete its user agent.
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")

from scripts.stopping import stop_as_ctrl_c  # noqa: E402

STOPPED = 130  # as shells count an end by Ctrl-C

try:
    if __name__ == "__main__":
        stop_as_ctrl_c()  # before the imports below, which take seconds
    from huggingface_hub.utils import tqdm

    from inkwell.checkpoints.catalog import KNOWN_MODELS, NAME_PATTERN, known_model
    from inkwell.errors import InkwellError
    from scripts.acquisition import Order, convert_folder, obtain
    from scripts.hub_client import REVISION, Hub
except ModuleNotFoundError as error:
    if (error.name or "").split(".")[0] in ("scripts", "inkwell"):
        raise
    sys.exit(
        f"download_model: {error.name} is missing here; the project's virtual environment has it: "
        f"run `make model NAME={shlex.quote(shlex.join(sys.argv[1:]) or '124M')}` in {PROJECT_ROOT}"
    )
except KeyboardInterrupt:
    sys.exit(STOPPED)

DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="download_model.py", description="Download models from the hub, or convert one that is here already."
    )
    known = ", ".join(model.name for model in KNOWN_MODELS)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{known}, or any owner/name of the hub")
    parser.add_argument("--models-dir", type=Path, default=MODELS_DIR, metavar="DIR", help="where models lie")
    parser.add_argument("--revision", metavar="HEX", help="full commit hash, in place of the pinned or newest one")
    parser.add_argument("--as", dest="folder_name", metavar="NAME", help="name of the folder, and of the model")
    parser.add_argument("--force", action="store_true", help="replace a folder of that name, once the new one is whole")
    parser.add_argument("--retries", type=int, default=4, metavar="N", help="failures in a row to put up with (4)")
    parser.add_argument("--convert", type=Path, metavar="FOLDER", help="turn its pytorch_model.bin into safetensors")
    parser.add_argument("--delete-original", action="store_true", help="with --convert: remove what was converted")
    options = parser.parse_args(arguments)
    if bool(options.names) == bool(options.convert):
        parser.error("give names of models to download, or --convert FOLDER")
    if options.delete_original and not options.convert:
        parser.error("--delete-original belongs to --convert")
    if options.convert and (options.revision or options.folder_name or options.force):
        parser.error("--revision, --as and --force belong to a download")
    if len(options.names) > 1 and (options.revision or options.folder_name):
        parser.error("--revision and --as go with one NAME")
    if options.retries < 0:
        parser.error("--retries takes 0 or more")
    if options.revision and not REVISION.fullmatch(options.revision):
        parser.error("--revision takes a full commit hash: 40 characters of 0-9 and a-f; a branch could move")
    options.orders = [order_for(parser, name, options) for name in options.names]
    return options


def order_for(parser: argparse.ArgumentParser, name: str, options: argparse.Namespace) -> Order:
    """What a NAME of the command line asks for."""
    known = known_model(name)
    owner, slash, last = name.partition("/")
    if known is None and not (slash and NAME_PATTERN.fullmatch(owner) and NAME_PATTERN.fullmatch(last)):
        names = ", ".join(model.name for model in KNOWN_MODELS)
        parser.error(f"no model {name!r} is known: the names are {names}; others go by owner/name")
    folder_name = options.folder_name or (known.name if known else last)
    if not NAME_PATTERN.fullmatch(folder_name):
        parser.error(f"--as {folder_name!r}: a name has up to 96 characters of A-Z a-z 0-9 . _ - and no dot in front")
    if known:
        return Order(folder_name, known.hub_id, options.revision or known.revision)
    return Order(folder_name, name, options.revision)


def run(options: argparse.Namespace) -> int:
    """Do all that was asked for; the failure of one model does not stop the others."""
    if options.convert:
        folder, delete = options.convert.absolute(), options.delete_original
        return attempt(folder.name, lambda: convert_folder(folder, delete_original=delete, say=say))
    hub = Hub(retries=options.retries, say=say)

    def order_home(order: Order) -> None:
        obtain(order, options.models_dir, hub, force=options.force, say=say)

    return max(attempt(order.name, partial(order_home, order)) for order in options.orders)


def attempt(name: str, action: Callable[[], None]) -> int:
    """Run `action`; where it fails, one line on stderr says why, and the answer is 1."""
    try:
        action()
        return 0
    except InkwellError as error:
        reason = f"{error.message} ({error.cause})" if error.cause else error.message
    except OSError as error:
        reason = f"{error.strerror or error}{f' ({error.filename})' if error.filename else ''}"
        if error.errno in DISK_FULL:
            reason = f"the disk is full, or a limit on file sizes is reached ({reason}): make room and run it again; "
            reason += "what is here is kept"
    say(f"download_model: {name}: {' '.join(reason.split())}")
    return 1


def say(text: str) -> None:
    tqdm.write(text, file=sys.stderr)  # a plain print would tear a progress bar apart


def main() -> int:
    try:
        return run(parse(sys.argv[1:]))
    except KeyboardInterrupt:
        say("download_model: stopped; the same command goes on from here")
        return STOPPED


if __name__ == "__main__":
    sys.exit(main())
