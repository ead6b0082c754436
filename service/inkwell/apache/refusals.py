"""The files with which Apache refuses a request by itself, and the lines of httpd.conf that name them."""

import json
from pathlib import Path

from inkwell.parameters.refusals import REFUSALS


def write_refusals(folder: Path) -> None:
    """One JSON file per status, named as httpd.conf refers to it."""
    folder.mkdir()
    for refusal in REFUSALS:
        (folder / f"{refusal.status}.json").write_text(json.dumps(refusal.body()) + "\n")


def error_documents() -> str:
    """The ErrorDocument lines of httpd.conf."""
    return "\n".join(f"ErrorDocument {refusal.status} /.refusals/{refusal.status}.json" for refusal in REFUSALS)
