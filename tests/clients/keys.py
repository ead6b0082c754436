"""Keys of the clients in these tests, and the lines by which a server knows them."""

import hashlib
import secrets

KEY, SLOW_KEY = (f"ink-{secrets.token_urlsafe(32)}" for _ in range(2))


def key_line(name: str, key: str, *options: str) -> str:
    """A client of a server, as its settings write it."""
    return " ".join((name, hashlib.sha256(key.encode()).hexdigest(), "infer", *options))
