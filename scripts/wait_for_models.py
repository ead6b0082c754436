"""Wait until the named models are in a folder: the init container of a pod, whose service loads them at startup.

Exits with status 1 at once if a model has another origin than expected: downloads never replace a model, so the service
would serve the wrong one. Only reads; needs neither a network nor the hub client.
"""

import argparse
import sys
import time
from dataclasses import dataclass
from pathlib import Path

PROJECT_ROOT = Path(__file__).resolve().parent.parent
# Run as a script, Python only searches the folder of that script.
sys.path[:0] = [str(PROJECT_ROOT), str(PROJECT_ROOT / "service")]

from inkwell.checkpoints.catalog import canonical, known_model, scan  # noqa: E402
from scripts.incoming import came_from, origin_text  # noqa: E402
from scripts.stopping import stop_as_ctrl_c  # noqa: E402

POLL_INTERVAL_S = 2.0


@dataclass(frozen=True, slots=True)
class Source:
    """The expected origin of a model folder: a repository at a revision (any revision if None)."""

    folder: str
    hub_id: str
    revision: str | None

    def mismatch(self, models_dir: Path) -> str:
        """Describe what is wrong with the folder; empty if it is absent, empty or right."""
        folder = models_dir / self.folder
        wanted = f"{self.hub_id} at {self.revision}" if self.revision else self.hub_id
        try:
            if not any(folder.iterdir()) or came_from(folder, self.hub_id, self.revision):
                return ""
        except FileNotFoundError:
            return ""
        except OSError as error:  # a plain file, or a folder that this user may not enter
            return (
                f"{self.folder} should be {wanted} but cannot be read ({error.strerror}): make it readable or remove it"
            )
        return (
            f"{self.folder} contains {origin_text(folder)}, but should be {wanted}: downloads never replace a model; "
            "give the new one another name with `as`, or remove the folder"
        )


def source(text: str) -> Source:
    """Parse FOLDER=NAME or FOLDER=NAME@REVISION, with the names of scripts/download_model.py.

    The revision pinned for a known model is not required: it is part of the image, and a new image must accept what an
    older one downloaded.
    """
    folder, equals, rest = text.partition("=")
    name, _, revision = rest.partition("@")
    if not (folder and equals and name):
        raise argparse.ArgumentTypeError(f"{text!r} is not FOLDER=NAME or FOLDER=NAME@REVISION")
    known = known_model(name)
    return Source(folder, known.hub_id if known else name, revision or None)


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="wait_for_models.py", description="Wait until models are in a folder.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="models to wait for")
    parser.add_argument("--models-dir", type=Path, required=True, metavar="DIR", help="models directory")
    parser.add_argument("--from", dest="sources", action="append", default=[], type=source, metavar="FOLDER=NAME[@HEX]",
                        help="expected origin of a model, waited for or not")  # fmt: skip
    return parser.parse_args(arguments)


def wait(options: argparse.Namespace) -> int:
    """Return 0 once all models are there, or 1 as soon as one has another origin than expected."""
    reported: list[str] = []
    while True:
        mismatches = [text for text in (item.mismatch(options.models_dir) for item in options.sources) if text]
        if mismatches:
            print("\n".join(mismatches), file=sys.stderr)
            return 1
        folders = scan(options.models_dir)
        available = {name for name, folder in folders.items() if folder.state == "available"}
        missing = [name for name in options.names if not {name, canonical(name)} & available]
        if not missing:
            return 0
        if missing != reported:
            print(f"waiting for {', '.join(missing)}", flush=True)
            reported = missing
        time.sleep(POLL_INTERVAL_S)


def main() -> int:
    try:
        stop_as_ctrl_c()
        return wait(parse(sys.argv[1:]))
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
