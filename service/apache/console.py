"""Standard output of the launcher: its own lines and, unchanged, those of Apache and of everything below it.

Writing never raises: a closed terminal or pipe must not end a service that has requests to finish.
"""

import os
from collections.abc import Iterable

STANDARD_OUTPUT = 1


def say(text: str) -> None:
    """One line of the launcher's own."""
    _write(f"inkwell: {text}\n".encode())


def show(lines: Iterable[str]) -> None:
    """Lines that are meant to be copied, hence without a prefix."""
    _write("".join(f"{line}\n" for line in lines).encode())


def copy(lines: Iterable[bytes]) -> None:
    """Pass lines on until their source ends; keeps reading when nobody listens, so that the source never blocks."""
    for line in lines:
        _write(line)


def _write(data: bytes) -> None:
    try:
        while data:
            data = data[os.write(STANDARD_OUTPUT, data) :]
    except OSError:
        return
