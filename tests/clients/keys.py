"""API keys of the clients in these tests, and the server's lines for them."""

import hashlib
import secrets

KEY, SLOW_KEY = (f"ink-{secrets.token_urlsafe(32)}" for _ in range(2))


def key_line(name: str, key: str, *options: str) -> str:
    """Return the line of a client for the server's settings."""
    return " ".join((name, hashlib.sha256(key.encode()).hexdigest(), "infer", *options))
