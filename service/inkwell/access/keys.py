"""Clients with their keys and scopes, read once at startup. Knows no HTTP.

One key per line in a file, or separated by semicolons in a variable; `#` begins a comment:

    name digest scope[,scope] [requests_per_minute=N] [tokens_per_minute=N]

The digest is the SHA-256 of the key in hexadecimal, so neither place contains a usable key. A name may have two lines
with different digests, for the old key and the new one during a rotation; the rest of both lines must be equal.
"""

import hashlib
import hmac
import ipaddress
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from inkwell.errors import SettingsError

INFER = "infer"  # generate, score, tokenise, list models, cancel one's own requests
ADMIN = "admin"
METRICS = "metrics"  # what Prometheus needs, and nothing else
SCOPES = frozenset({INFER, ADMIN, METRICS})
KEYS_PER_CLIENT = 2
FILE, VARIABLE = "INKWELL_KEYS_FILE", "INKWELL_KEYS"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
DIGEST = re.compile(r"[0-9a-fA-F]{64}")
OPTION = re.compile(r"(requests_per_minute|tokens_per_minute)=([0-9]{1,9})")
FORM = "name, SHA-256 digest, scopes and optional limits, as scripts/make_key.py prints them"


@dataclass(frozen=True, slots=True)
class Client:
    """The sender of a request. A limit of None means the setting's, 0 means no limit."""

    name: str
    scopes: frozenset[str]
    cache_salt: str  # requests with different salts share no cached prefixes
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None


ANYONE = Client("anyone", SCOPES, "")  # the client of every request if no keys are configured
ANONYMOUS = Client(
    "nobody", frozenset(), ""
)  # the client of requests without a key to public addresses, if keys are configured


class Keys:
    """Clients by the digests of their keys. If there are none, `configured` is False and no key is needed."""

    def __init__(self, entries: Iterable[tuple[bytes, Client]] = ()) -> None:
        self._entries = tuple(entries)

    @property
    def configured(self) -> bool:
        return bool(self._entries)

    def find(self, presented: str) -> Client | None:
        """The client of a key. The time does not depend on the key, which is always compared with all digests."""
        digest = hashlib.sha256(presented.encode(errors="replace")).digest()
        found = None
        for known, client in self._entries:
            if hmac.compare_digest(known, digest):
                found = client
        return found


def load_keys(file: Path | None, variable: str) -> Keys:
    """The keys of the file and the variable; raises SettingsError for the first malformed line, without quoting it."""
    lines = (
        [(f"{FILE}, line {number}", text) for number, text in enumerate(_read(file).splitlines(), 1)] if file else []
    )
    lines += [(f"{VARIABLE}, entry {number}", text) for number, text in enumerate(variable.split(";"), 1)]
    entries = [(place, *_parse(place, words)) for place, text in lines if (words := text.partition("#")[0].split())]
    if (file or variable) and not entries:
        raise SettingsError(f"{FILE if file else VARIABLE} holds no key; leave the variable out to serve without keys")
    _check_together(entries)
    return Keys((digest, client) for _, digest, client in entries)


def check_exposure(keys: Keys, host: str, everybody: bool) -> None:
    """Raises SettingsError if other machines can reach the host without keys, unless that is allowed."""
    if not (keys.configured or everybody or _is_loopback(host)):
        raise SettingsError(
            f"INKWELL_HOST={host} lets other machines in and there are no keys: set {FILE} or {VARIABLE} "
            "(scripts/make_key.py makes one), or INKWELL_OPEN=1 to allow access without keys"
        )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except OSError as error:
        raise SettingsError(f"{FILE} cannot be read: {error.strerror}: {file}") from None
    except UnicodeDecodeError:
        raise SettingsError(f"{FILE} is not a text file: {file}") from None


def _parse(place: str, words: list[str]) -> tuple[bytes, Client]:
    options = [OPTION.fullmatch(word) for word in words[3:]]
    if len(words) < 3 or not NAME.fullmatch(words[0]) or not DIGEST.fullmatch(words[1]) or not all(options):
        raise SettingsError(f"{place} must be {FORM}")
    scopes = frozenset(words[2].split(","))
    if not scopes <= SCOPES:
        raise SettingsError(f"{place} has a scope other than {', '.join(sorted(SCOPES))}")
    limits = {option[1]: int(option[2]) for option in options if option}
    if len(limits) < len(options):
        raise SettingsError(f"{place} has a limit twice")
    return bytes.fromhex(words[1]), Client(words[0], scopes, words[0], **limits)


def _check_together(entries: list[tuple[str, bytes, Client]]) -> None:
    """Check that each digest belongs to one client, and that a client has at most two lines, which agree."""
    clients: dict[str, Client] = {}
    digests: set[bytes] = set()
    counts: Counter[str] = Counter()
    for place, digest, client in entries:
        counts[client.name] += 1
        if digest in digests:
            raise SettingsError(f"{place} has a digest that an earlier line has already")
        if clients.setdefault(client.name, client) != client:
            raise SettingsError(f"{place} gives a client of an earlier line other scopes or limits")
        if counts[client.name] > KEYS_PER_CLIENT:
            raise SettingsError(f"{place} is the third key of one client; {KEYS_PER_CLIENT} may be valid at once")
        digests.add(digest)
