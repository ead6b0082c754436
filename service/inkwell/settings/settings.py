"""Every setting of the service: its variable, type, default and meaning. The only file that reads the environment.

Takes a mapping such as `os.environ`, returns one frozen `Settings`. A variable that begins with INKWELL_ and is not in
the table, or an invalid value, raises `SettingsError` with one line that names it: a typo prevents the start.
"""

import difflib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, get_type_hints

from inkwell.errors import SettingsError
from inkwell.observability.tracing import SHOWN_CHARACTERS, check
from inkwell.parameters.transcript import TEMPLATE, check_template
from inkwell.settings import parsers as parse
from inkwell.settings.parsers import PROJECT_ROOT as PROJECT_ROOT
from inkwell.settings.parsers import SOURCE_ROOT as SOURCE_ROOT
from inkwell.settings.parsers import Pairs

PREFIX = "INKWELL_"
MAX_CONNECTIONS = 400  # Apache needs two descriptors for each, and a process may have 1,024 by default
FREE_CONNECTIONS = 8  # threads that remain for probes and refusals when as many requests run as are admitted
TYPES = {
    int: "integer",
    float: "number",
    bool: "boolean",
    str: "text",
    tuple[str, ...]: "list",
    Pairs: "list",
    Path: "path",
    Path | None: "path",
}


def _setting(default: str, parser: Callable[[str], Any], meaning: str) -> Any:
    """One row of the table; defaults are written as text and go through the same parser as the variables."""
    return field(metadata={"default": default, "parse": parser, "help": meaning})


@dataclass(frozen=True, slots=True)
class Settings:
    """The whole configuration of a start; built once by `from_environ` and never written to."""

    host: str = _setting("127.0.0.1", parse.word, "Address that Apache listens on.")
    port: int = _setting("8000", parse.integer(1, 65_535), "Port that Apache listens on.")
    models_dir: Path = _setting("models", parse.path, "Folder of the checkpoints; relative to the project's root.")
    default_model: str = _setting("demo", parse.word, "Model of requests that name none; readiness depends on it.")
    preload: tuple[str, ...] = _setting(
        "", parse.words, "Models to load at startup, comma-separated; others are loaded on their first request."
    )
    max_models: int = _setting(
        "3",
        parse.integer(1, 64),
        "Maximum number of loaded models; the one that was idle longest is unloaded for another.",
    )
    load_timeout_s: float = _setting("300", parse.seconds, "How long a request waits for its model to load.")
    request_timeout_s: float = _setting(
        "300", parse.seconds, "Maximum duration of a request, including the load of its model."
    )
    retry_load_s: float = _setting(
        "5", parse.seconds, "After a failed load, requests get the same error for this long."
    )
    device: str = _setting(
        "auto", parse.device, "Where models run: auto (a GPU if there is one), cpu, cuda, cuda:N or spread."
    )
    dtype: str = _setting(
        "auto", parse.choice("auto", "float32", "bfloat16", "float16", "int8", "int4"),
        "Number format of the weights; auto is bfloat16 wherever that is fast. int8 and int4 need a CPU with AVX2.",
    )  # fmt: skip
    kernels: str = _setting(
        "auto", parse.choice("auto", "torch"),
        "Compute path on a CPU: auto uses the native kernels where they run; torch may be faster for long prompts on a "
        "CPU with AMX, but has no drafts and little prefix reuse.",
    )  # fmt: skip
    max_memory: str = _setting(
        "",
        parse.memory,
        "Memory limit of each device for spread, such as 0=20GiB,cpu=64GiB; empty is nearly all free memory.",
    )
    threads: int = _setting(
        "0", parse.integer(0, 1024),
        "CPU threads of a worker; 0 is all available cores, or fewer if a container has a CPU quota.",
    )  # fmt: skip
    max_rows: int = _setting("16", parse.integer(1, 256), "Maximum number of sequences of a model in one step.")
    cache_mib: int = _setting("4096", parse.integer(16, 1_048_576), "Upper bound of a model's key/value cache in MiB.")
    speculation: str = _setting(
        "ngram", parse.choice("ngram", "off"),
        "Speculative decoding, which never changes a text: ngram drafts what followed the same tokens before; off also "
        "turns off draft models.",
    )  # fmt: skip
    draft_models: Pairs = _setting(
        "", parse.pairs, "Draft models for large models of the same vocabulary, such as 1558M=124M."
    )
    model_aliases: Pairs = _setting(
        "", parse.pairs, "Other names for models, such as text-davinci-003=1558M, so that old programs run unchanged."
    )
    max_requests: int = _setting(
        "72", parse.integer(1, MAX_CONNECTIONS - FREE_CONNECTIONS),
        "Requests running or waiting at once; more are refused (429). At least 8 below INKWELL_MAX_CONNECTIONS.",
    )  # fmt: skip
    max_connections: int = _setting(
        "250", parse.integer(16, MAX_CONNECTIONS),
        "Requests that Apache holds at once, slow senders and readers among them; others wait. Each takes two threads.",
    )  # fmt: skip
    max_samples: int = _setting(
        "32", parse.integer(1, 128), "Texts that one request may ask for: samples, of each prompt where it has several."
    )
    max_tokens_per_request: int = _setting(
        "0",
        parse.integer(0, 100_000_000),
        "Tokens that one request may ask for, all its texts together; 0 is no limit.",
    )
    keys_file: Path | None = _setting(
        "", parse.optional_path, "File of clients and digests of their keys, read at the start; empty is none."
    )
    keys: str = _setting("", str, "The lines of such a file, separated by semicolons; both together are valid.")
    open: bool = _setting(
        "0",
        parse.boolean,
        "1 serves other machines without keys; 0 refuses to start without keys on an address that they can reach.",
    )
    requests_per_minute: int = _setting(
        "0",
        parse.integer(0, 1_000_000),
        "Requests a minute of each client; 0 is no limit. Without keys all are one client.",
    )
    tokens_per_minute: int = _setting(
        "0", parse.integer(0, 999_999_999), "Tokens a minute of each client, prompts and texts together; 0 is no limit."
    )
    hosts: tuple[str, ...] = _setting(
        "",
        parse.words,
        "Host names besides localhost that a service without keys accepts; with keys or INKWELL_OPEN it accepts any.",
    )
    cors_origins: tuple[str, ...] = _setting(
        "",
        parse.origins,
        "Web pages that may call the service from a browser, such as https://app.example; empty is none.",
    )
    chat_user: str = _setting("User", parse.word, "Name of the user in the transcript of a chat.")
    chat_assistant: str = _setting("Assistant", parse.word, "Name of the model in the transcript of a chat.")
    chat_template: str = _setting(
        TEMPLATE, check_template, "Format of a message in the transcript of a chat; it may contain line breaks."
    )
    chat_overflow: str = _setting(
        "drop", parse.choice("drop", "error"),
        "If a chat does not fit the model: drop removes the oldest turns, error refuses the request.",
    )  # fmt: skip
    chat_max_turns: int = _setting(
        "0", parse.integer(0, 10_000), "Maximum number of turns of a chat in the transcript; 0 is all."
    )
    ping_s: float = _setting(
        "5", parse.seconds, "Longest silence on a stream before a comment is sent to test the client."
    )
    state_dir: Path | None = _setting("", parse.optional_path, "Set by the launcher: run folder.")
    log_level: str = _setting("info", parse.choice("debug", "info", "warning", "error"), "Least severe records to log.")
    log_format: str = _setting(
        "json", parse.choice("json", "text"), "Format of log records: json for log collectors, text for terminals."
    )

    @classmethod
    def from_environ(cls, environ: Mapping[str, str] = os.environ) -> "Settings":
        """Read all INKWELL_* variables; raises SettingsError for the first unknown or malformed one."""
        table = {PREFIX + item.name.upper(): item for item in fields(cls)}
        for name in sorted(environ):
            if name.startswith(PREFIX) and name not in table:
                raise SettingsError(f"{name} is not a setting{_nearest(name, list(table))}")
        settings = cls(**{item.name: _read(name, item.metadata, environ) for name, item in table.items()})
        _check_combinations(settings)
        return settings


def _check_combinations(settings: Settings) -> None:
    """Refuse values that are valid separately but not in combination."""
    if settings.max_memory and settings.device != "spread":
        raise SettingsError("INKWELL_MAX_MEMORY is for INKWELL_DEVICE=spread alone")
    requests, connections = settings.max_requests, settings.max_connections
    if requests > connections - FREE_CONNECTIONS:
        raise SettingsError(
            f"INKWELL_MAX_REQUESTS must be at most {connections - FREE_CONNECTIONS}, which is INKWELL_MAX_CONNECTIONS "
            f"({connections}) less {FREE_CONNECTIONS} for probes and refusals; it is {requests}"
        )


def log_format(environ: Mapping[str, str] = os.environ) -> str:
    """The format of the log record that reports invalid settings."""
    return "text" if environ.get("INKWELL_LOG_FORMAT") == "text" else "json"


def otel_variables(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The standard variables of OpenTelemetry, whose library reads them by itself in the web process.

    Raises SettingsError for options that the service does not support.
    """
    found = {name: value for name, value in environ.items() if name.startswith("OTEL_") and value}
    check(found)
    return found


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
    """Rows of (variable, type, default, meaning) for docs/reference.md, in the order of the fields."""
    types = get_type_hints(Settings)
    return [
        (PREFIX + item.name.upper(), TYPES[types[item.name]], item.metadata["default"], item.metadata["help"])
        for item in fields(Settings)
    ]
