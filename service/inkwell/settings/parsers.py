"""Parsers from the text of a variable to the value of a setting, one for each type.

Each takes text and returns a value, or raises ValueError with a reason that begins with "must". Knows no variables.
"""

import re
from collections.abc import Callable
from pathlib import Path

SOURCE_ROOT = Path(__file__).resolve().parents[2]  # the folder that holds the package
PROJECT_ROOT = SOURCE_ROOT.parent
WHOLE_NUMBER = re.compile(r"-?[0-9]{1,18}")
# As browsers write an origin: lower case, no path. Any other spelling would be accepted here but never match.
ORIGIN = re.compile(r"([a-z][a-z0-9+.-]*)://(?:[a-z0-9_.-]+|\[[0-9a-f:.]+\])(?::([1-9][0-9]{0,4}))?")
DEFAULT_PORTS = {("http", "80"), ("https", "443")}
Pairs = tuple[tuple[str, str], ...]


def integer(low: int, high: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not WHOLE_NUMBER.fullmatch(text):  # int() would also take " 5", "8_000" and other scripts' digits
            raise ValueError("must be a whole number")
        value = int(text)
        if not low <= value <= high:
            raise ValueError(f"must be between {low} and {high}")
        return value

    return parse


def seconds(text: str) -> float:
    value = float(text)
    if not 0 < value <= 86_400:
        raise ValueError("must be above 0 and at most 86400 seconds")
    return value


def choice(*allowed: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in allowed:
            raise ValueError(f"must be one of {', '.join(allowed)}")
        return text

    return parse


def device(text: str) -> str:
    name, colon, index = text.partition(":")
    if name not in ("auto", "cpu", "cuda", "spread") or (colon and not (name == "cuda" and index.isdecimal())):
        raise ValueError("must be auto, cpu, cuda, cuda:N or spread")
    return text


def path(text: str) -> Path:
    if not text:
        raise ValueError("must not be empty")
    return PROJECT_ROOT / text  # an absolute path remains unchanged


def word(text: str) -> str:
    if not text.strip():
        raise ValueError("must not be empty")
    return text.strip()


def words(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def pairs(text: str) -> Pairs:
    found = [part.split("=") for part in words(text)]
    if not all(len(sides) == 2 and all(map(str.strip, sides)) for sides in found):
        raise ValueError("must be comma-separated pairs such as 1558M=124M")
    return tuple((left.strip(), right.strip()) for left, right in found)


def memory(text: str) -> str:
    if not all(re.fullmatch(r"\s*(\d+|cpu)\s*=\s*\d+(\.\d+)?[KMG]i?B\s*", part) for part in words(text)):
        raise ValueError("must be comma-separated sizes such as 0=20GiB,cpu=64GiB")
    return text


def boolean(text: str) -> bool:
    if text not in ("0", "1", "false", "true"):
        raise ValueError("must be 1 or 0")
    return text in ("1", "true")


def optional_path(text: str) -> Path | None:
    return path(text) if text else None


def origins(text: str) -> tuple[str, ...]:
    found = words(text)
    for origin in found:
        match = ORIGIN.fullmatch(origin)
        if match is None:
            raise ValueError("must be comma-separated origins such as https://app.example; * is none")
        if match.groups() in DEFAULT_PORTS:
            raise ValueError("must be origins as browsers send them: without the port that the scheme has anyway")
    return found
