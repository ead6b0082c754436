"""Every setting of the service: its variable, type, default and meaning. The only file that knows the environment.

Takes a mapping such as `os.environ`, gives one frozen `Settings`. A variable that begins with INKWELL_ and is not in
the table, or a value that does not fit, raises `SettingsError` with one line that names it: a typo stops the start.
"""

import difflib
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, get_type_hints

from service.errors import SettingsError

PREFIX = "INKWELL_"
WHOLE_NUMBER = re.compile(r"-?[0-9]{1,18}")
SHOWN_CHARACTERS = 80  # of a value in a message
PROJECT_ROOT = Path(__file__).resolve().parent.parent
Pairs = tuple[tuple[str, str], ...]
TYPES = {
    int: "integer",
    float: "number",
    str: "text",
    tuple[str, ...]: "list",
    Pairs: "list",
    Path: "path",
    Path | None: "path",
}


def _integer(low: int, high: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not WHOLE_NUMBER.fullmatch(text):  # int() would also take " 5", "8_000" and other scripts' digits
            raise ValueError("must be a whole number")
        value = int(text)
        if not low <= value <= high:
            raise ValueError(f"must be between {low} and {high}")
        return value

    return parse


def _seconds(text: str) -> float:
    value = float(text)
    if not 0 < value <= 86_400:
        raise ValueError("must be above 0 and at most 86400 seconds")
    return value


def _choice(*allowed: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in allowed:
            raise ValueError(f"must be one of {', '.join(allowed)}")
        return text

    return parse


def _device(text: str) -> str:
    name, colon, index = text.partition(":")
    if name not in ("auto", "cpu", "cuda", "spread") or (colon and not (name == "cuda" and index.isdecimal())):
        raise ValueError("must be auto, cpu, cuda, cuda:N or spread")
    return text


def _path(text: str) -> Path:
    if not text:
        raise ValueError("must not be empty")
    return PROJECT_ROOT / text  # an absolute path stays what it is


def _word(text: str) -> str:
    if not text.strip():
        raise ValueError("must not be empty")
    return text.strip()


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


def _pairs(text: str) -> Pairs:
    pairs = tuple(tuple(side.strip() for side in word.split("=")) for word in _words(text))
    if not all(len(pair) == 2 and all(pair) for pair in pairs):
        raise ValueError("must be comma-separated pairs such as 1558M=124M")
    return pairs


def _memory(text: str) -> str:
    if not all(re.fullmatch(r"\s*(\d+|cpu)\s*=\s*\d+(\.\d+)?[KMG]i?B\s*", word) for word in _words(text)):
        raise ValueError("must be comma-separated sizes such as 0=20GiB,cpu=64GiB")
    return text


def _setting(default: str, parse: Callable[[str], Any], meaning: str) -> Any:
    """One row of the table; defaults are written as text and go through the same parser as the variables."""
    return field(metadata={"default": default, "parse": parse, "help": meaning})


@dataclass(frozen=True, slots=True)
class Settings:
    """The whole configuration of a start; built once by `from_environ` and never written to."""

    host: str = _setting("127.0.0.1", _word, "Address that Apache listens on.")
    port: int = _setting("8000", _integer(1, 65_535), "Port that Apache listens on.")
    models_dir: Path = _setting("models", _path, "Folder of the checkpoints; relative to the project's root.")
    default_model: str = _setting("demo", _word, "Model of requests that name none; readiness depends on it.")
    preload: tuple[str, ...] = _setting("", _words, "Models to load at the start, comma-separated; others load lazily.")
    max_models: int = _setting("3", _integer(1, 64), "Models loaded at once; the longest idle one makes room.")
    load_timeout_s: float = _setting("300", _seconds, "How long a request waits for its model to load.")
    request_timeout_s: float = _setting(
        "300", _seconds, "The longest that a request may take, its model's load included."
    )
    retry_load_s: float = _setting("5", _seconds, "After a failed load, requests get the same error for this long.")
    device: str = _setting(
        "auto", _device, "Where models run: auto (a GPU if there is one), cpu, cuda, cuda:N or spread."
    )
    dtype: str = _setting(
        "auto", _choice("auto", "float32", "bfloat16", "float16", "int8", "int4"),
        "Number format of the weights; auto is bfloat16 wherever that is fast. int8 and int4 need a CPU with AVX2.",
    )  # fmt: skip
    kernels: str = _setting(
        "auto", _choice("auto", "torch"),
        "What computes on a CPU: auto takes the native kernels where they run; torch may be faster for long prompts on "
        "a CPU with AMX, and gives up drafts and most of prefix reuse.",
    )  # fmt: skip
    max_memory: str = _setting(
        "", _memory, "Memory of each device for spread, such as 0=20GiB,cpu=64GiB; empty is nearly all that is free."
    )
    threads: int = _setting("0", _integer(0, 1024), "Processor threads of a worker; 0 means all that it may use.")
    max_rows: int = _setting("16", _integer(1, 256), "Sequences of a model that share a step.")
    cache_mib: int = _setting("4096", _integer(16, 1_048_576), "Upper bound of a model's key/value cache in MiB.")
    speculation: str = _setting(
        "ngram", _choice("ngram", "off"),
        "Guess tokens ahead and verify them in one step, which never changes a text: ngram looks up what followed the "
        "same tokens before; off also turns off draft models.",
    )  # fmt: skip
    draft_models: Pairs = _setting(
        "", _pairs, "Small models that guess ahead for large ones of the same vocabulary, such as 1558M=124M."
    )
    max_requests: int = _setting("72", _integer(1, 88), "Requests running or waiting at once; more are refused (429).")
    ping_s: float = _setting("5", _seconds, "Longest silence on a stream before a comment is sent to test the client.")
    state_dir: Path | None = _setting("", lambda text: Path(text) if text else None, "Set by the launcher: run folder.")
    log_level: str = _setting("info", _choice("debug", "info", "warning", "error"), "Least severe records to log.")

    @classmethod
    def from_environ(cls, environ: Mapping[str, str] = os.environ) -> "Settings":
        """Read all INKWELL_* variables; raises SettingsError for the first unknown or malformed one."""
        table = {PREFIX + item.name.upper(): item for item in fields(cls)}
        for name in sorted(environ):
            if name.startswith(PREFIX) and name not in table:
                raise SettingsError(f"{name} is not a setting{_nearest(name, list(table))}")
        settings = cls(**{item.name: _read(name, item.metadata, environ) for name, item in table.items()})
        if settings.max_memory and settings.device != "spread":
            raise SettingsError("INKWELL_MAX_MEMORY is for INKWELL_DEVICE=spread alone")
        return settings


def _read(name: str, row: Mapping[str, Any], environ: Mapping[str, str]) -> Any:
    text = environ.get(name, row["default"])
    try:
        return row["parse"](text)
    except ValueError as error:
        reason = str(error) if str(error).startswith("must") else "must be a number"
        raise SettingsError(f"{name} {reason}; it is {text[:SHOWN_CHARACTERS]!r}") from None


def _nearest(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {close[0]}?" if close else ""


def settings_table() -> list[tuple[str, str, str, str]]:
    """Rows of (variable, type, default, meaning) for the README, in the order of the fields."""
    types = get_type_hints(Settings)
    return [
        (PREFIX + item.name.upper(), TYPES[types[item.name]], item.metadata["default"], item.metadata["help"])
        for item in fields(Settings)
    ]
