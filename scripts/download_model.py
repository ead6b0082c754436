#!/usr/bin/env python3
"""Download models into models/NAME: `python3 scripts/download_model.py 124M`, from any directory.

Parses the command line, passes each request to `scripts.acquisition`, and reports every failure as one line on stderr
and exit status 1. HF_ENDPOINT sets the hub and HF_TOKEN the token, as documented by huggingface_hub.
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
# Run as a script, Python only searches the folder of that script.
sys.path[:0] = [str(PROJECT_ROOT), str(PROJECT_ROOT / "service")]
# Otherwise the client requests an additional file from the hub first, to complete its user agent.
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")

from scripts.stopping import stop_as_ctrl_c  # noqa: E402

STOPPED = 130  # the exit status that shells use for Ctrl-C

try:
    if __name__ == "__main__":
        stop_as_ctrl_c()  # before the imports below, which take seconds
    from huggingface_hub.utils import tqdm

    from inkwell.checkpoints.catalog import KNOWN_MODELS, NAME_PATTERN, known_model
    from inkwell.errors import InkwellError
    from scripts.acquisition import DownloadRequest, convert_folder, download_model
    from scripts.hub_client import REVISION, Hub
except ModuleNotFoundError as error:
    if (error.name or "").split(".")[0] in ("scripts", "inkwell"):
        raise
    sys.exit(
        f"download_model: {error.name} is not installed here, but in the project's virtual environment: "
        f"run `make model NAME={shlex.quote(shlex.join(sys.argv[1:]) or '124M')}` in {PROJECT_ROOT}"
    )
except KeyboardInterrupt:
    sys.exit(STOPPED)

DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="download_model.py", description="Download models from the hub, or convert a local one."
    )
    known = ", ".join(model.name for model in KNOWN_MODELS)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{known}, or any owner/name of the hub")
    parser.add_argument("--models-dir", type=Path, default=MODELS_DIR, metavar="DIR", help="models directory")
    parser.add_argument("--revision", metavar="HEX", help="full commit hash, instead of the pinned or newest one")
    parser.add_argument("--as", dest="folder_name", metavar="NAME", help="name of the folder, and of the model")
    parser.add_argument("--force", action="store_true", help="replace an existing folder, once the new one is complete")
    parser.add_argument("--retries", type=int, default=4, metavar="N", help="retries after consecutive failures (4)")
    parser.add_argument("--convert", type=Path, metavar="FOLDER", help="convert its pytorch_model.bin to safetensors")
    parser.add_argument("--delete-original", action="store_true", help="with --convert: remove the converted files")
    options = parser.parse_args(arguments)
    if bool(options.names) == bool(options.convert):
        parser.error("give names of models to download, or --convert FOLDER")
    if options.delete_original and not options.convert:
        parser.error("--delete-original requires --convert")
    if options.convert and (options.revision or options.folder_name or options.force):
        parser.error("--revision, --as and --force apply only to a download")
    if len(options.names) > 1 and (options.revision or options.folder_name):
        parser.error("--revision and --as require exactly one NAME")
    if options.retries < 0:
        parser.error("--retries must be 0 or more")
    if options.revision and not REVISION.fullmatch(options.revision):
        parser.error(
            "--revision must be a full commit hash (40 characters of 0-9 and a-f), not a branch, which may move"
        )
    options.requests = [download_request(parser, name, options) for name in options.names]
    return options


def download_request(parser: argparse.ArgumentParser, name: str, options: argparse.Namespace) -> DownloadRequest:
    """The request for a NAME of the command line."""
    known = known_model(name)
    owner, slash, last = name.partition("/")
    if known is None and not (slash and NAME_PATTERN.fullmatch(owner) and NAME_PATTERN.fullmatch(last)):
        names = ", ".join(model.name for model in KNOWN_MODELS)
        parser.error(f"{name!r} is not a known model; known are {names}; name others as owner/name")
    folder_name = options.folder_name or (known.name if known else last)
    if not NAME_PATTERN.fullmatch(folder_name):
        parser.error(f"--as {folder_name!r}: a name has up to 96 characters of A-Z a-z 0-9 . _ - and no leading dot")
    if known:
        return DownloadRequest(folder_name, known.hub_id, options.revision or known.revision)
    return DownloadRequest(folder_name, name, options.revision)


def run(options: argparse.Namespace) -> int:
    """Process all requests; the failure of one does not stop the others."""
    if options.convert:
        folder, delete = options.convert.absolute(), options.delete_original
        return attempt(folder.name, lambda: convert_folder(folder, delete_original=delete, log=log))
    hub = Hub(retries=options.retries, log=log)

    def download(request: DownloadRequest) -> None:
        download_model(request, options.models_dir, hub, force=options.force, log=log)

    return max(attempt(request.name, partial(download, request)) for request in options.requests)


def attempt(name: str, action: Callable[[], None]) -> int:
    """Run `action` and return 0; on failure, log the reason as one line and return 1."""
    try:
        action()
        return 0
    except InkwellError as error:
        reason = f"{error.message} ({error.cause})" if error.cause else error.message
    except OSError as error:
        reason = f"{error.strerror or error}{f' ({error.filename})' if error.filename else ''}"
        if error.errno in DISK_FULL:
            reason = (
                f"the disk is full, or a file size limit is reached ({reason}): free some space and run the command "
            )
            reason += "again; it resumes from the files that are kept"
    log(f"download_model: {name}: {' '.join(reason.split())}")
    return 1


def log(text: str) -> None:
    tqdm.write(text, file=sys.stderr)  # a plain print would break the progress bar


def main() -> int:
    try:
        return run(parse(sys.argv[1:]))
    except KeyboardInterrupt:
        log("download_model: stopped; run the same command to resume")
        return STOPPED


if __name__ == "__main__":
    sys.exit(main())
