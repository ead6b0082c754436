"""Waits until models lie in a folder: what a pod does before its service starts, which loads them first.

A model that comes from elsewhere than it should ends the wait at once with status 1: the download does not replace it,
and the service would serve what nobody asked for. Only reads; needs no network and no hub's client.
"""

import argparse
import sys
import time
from dataclasses import dataclass
from pathlib import Path

PROJECT_ROOT = Path(__file__).resolve().parent.parent
# Started as a file, Python only finds the folder of that file.
sys.path[:0] = [str(PROJECT_ROOT), str(PROJECT_ROOT / "service")]

from inkwell.checkpoints.catalog import canonical, known_model, scan  # noqa: E402
from scripts.incoming import came_from, origin_text  # noqa: E402
from scripts.stopping import stop_as_ctrl_c  # noqa: E402

LOOK_EVERY_S = 2.0


@dataclass(frozen=True, slots=True)
class Source:
    """Where the model of a folder should come from; without a revision, any of the repository."""

    folder: str
    hub_id: str
    revision: str | None

    def complaint(self, models_dir: Path) -> str:
        """What is wrong with what lies there; empty where nothing lies there yet, or nothing is wrong."""
        folder = models_dir / self.folder
        wanted = f"{self.hub_id} at {self.revision}" if self.revision else self.hub_id
        try:
            if not any(folder.iterdir()) or came_from(folder, self.hub_id, self.revision):
                return ""
        except FileNotFoundError:
            return ""
        except OSError as error:  # a plain file, or a folder that this user may not enter
            return f"{self.folder} should be {wanted}, and cannot be read ({error.strerror}): allow it, or remove it"
        return (
            f"{self.folder} holds {origin_text(folder)}, and should be {wanted}: no download replaces a model; "
            "give the new one another name with `as`, or remove the folder"
        )


def source(text: str) -> Source:
    """From FOLDER=NAME or FOLDER=NAME@REVISION, with NAMEs as scripts/download_model.py takes them.

    The revision that is pinned for a known model does not count: it comes with the image, and a new image must not
    refuse what an older one has downloaded.
    """
    folder, equals, rest = text.partition("=")
    name, _, revision = rest.partition("@")
    if not (folder and equals and name):
        raise argparse.ArgumentTypeError(f"{text!r} is not FOLDER=NAME or FOLDER=NAME@REVISION")
    known = known_model(name)
    return Source(folder, known.hub_id if known else name, revision or None)


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="wait_for_models.py", description="Wait until models are there.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="models to wait for")
    parser.add_argument("--models-dir", type=Path, required=True, metavar="DIR", help="where models lie")
    parser.add_argument("--from", dest="sources", action="append", default=[], type=source, metavar="FOLDER=NAME[@HEX]",
                        help="where a model should come from, waited for or not")  # fmt: skip
    return parser.parse_args(arguments)


def wait(options: argparse.Namespace) -> int:
    """0 once all are there, 1 as soon as one comes from elsewhere."""
    told: list[str] = []
    while True:
        complaints = [text for text in (item.complaint(options.models_dir) for item in options.sources) if text]
        if complaints:
            print("\n".join(complaints), file=sys.stderr)
            return 1
        folders = scan(options.models_dir)
        there = {name for name, folder in folders.items() if folder.state == "available"}
        missing = [name for name in options.names if not {name, canonical(name)} & there]
        if not missing:
            return 0
        if missing != told:
            print(f"waiting for {', '.join(missing)}", flush=True)
            told = missing
        time.sleep(LOOK_EVERY_S)


def main() -> int:
    try:
        stop_as_ctrl_c()
        return wait(parse(sys.argv[1:]))
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
