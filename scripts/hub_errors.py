"""Turns exceptions of the hub client into one line of advice, and decides whether and when to retry. Knows no files."""

import random

import httpx2
from huggingface_hub import constants
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    OfflineModeIsEnabled,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

LONGEST_PAUSE_S = 60.0
RETRYABLE_STATUS = frozenset({408, 429, 500, 502, 503, 504})
WITHOUT_A_HUB = (
    "copy a folder with config.json, tokenizer.json and model.safetensors into models/NAME, "
    "or use the demo model, which needs no hub"
)


def pause_s(error: httpx2.HTTPError, failures: int) -> float | None:
    """Return the seconds to wait before the next attempt, or None if retrying is pointless."""
    if isinstance(error, (httpx2.UnsupportedProtocol, httpx2.LocalProtocolError)):
        return None
    if isinstance(error, HfHubHTTPError):
        if error.response.status_code not in RETRYABLE_STATUS:
            return None
        stated = error.response.headers.get("retry-after", "")
        if stated.isdecimal():
            return float(stated) if float(stated) <= LONGEST_PAUSE_S else None
    # Jitter, so that many machines that failed together do not retry together.
    return min(2.0 ** (failures - 1), LONGEST_PAUSE_S) * random.uniform(0.5, 1.0)


def summary(error: httpx2.HTTPError) -> str:
    """Return a short description of a failure."""
    if isinstance(error, HfHubHTTPError):
        return f"{constants.ENDPOINT} answered {error.response.status_code}"
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def advice(error: Exception, hub_id: str, revision: str | None) -> str:
    """Return what happened and what to do about it."""
    if isinstance(error, HfHubHTTPError):
        return _advice_on_status(error, hub_id, revision)
    if isinstance(error, OfflineModeIsEnabled):
        return f"HF_HUB_OFFLINE is set, so nothing is downloaded: unset it, or {WITHOUT_A_HUB}"
    if isinstance(error, httpx2.LocalProtocolError):  # its text would contain the token
        return "HF_TOKEN contains characters that are not allowed in a header: set it to the token only"
    reason = summary(error) if isinstance(error, httpx2.HTTPError) else type(error).__name__
    return (
        f"cannot reach {constants.ENDPOINT} ({reason}): check the network, or set HF_ENDPOINT to a mirror that this "
        f"machine can reach, or {WITHOUT_A_HUB}"
    )


def _advice_on_status(error: HfHubHTTPError, hub_id: str, revision: str | None) -> str:
    status = error.response.status_code
    page = f"{constants.ENDPOINT}/{hub_id}"
    if isinstance(error, GatedRepoError):
        return f"{hub_id} is gated ({status}): accept its terms at {page}, then set HF_TOKEN to a token of that account"
    if isinstance(error, RevisionNotFoundError):
        return f"{hub_id} has no revision {revision}: pass the full commit hash of one listed at {page} as --revision"
    if isinstance(error, RemoteEntryNotFoundError):
        return f"the hub lists it but does not have it ({status}): try again later, or set HF_ENDPOINT to another hub"
    if isinstance(error, RepositoryNotFoundError) or status == 404:
        return f"{constants.ENDPOINT} has no {hub_id}, or it is private: check the name, or set HF_TOKEN"
    if status in (401, 403):
        return f"access to {hub_id} was refused ({status}): set HF_TOKEN to a valid token that may read it"
    if status == 429:
        stated = error.response.headers.get("retry-after", "")
        wait = f"{stated} seconds" if stated.isdecimal() else "some minutes"
        return f"too many requests (429): wait {wait}, then run the same command again"
    return f"{constants.ENDPOINT} failed ({status}): run the same command again later, or set HF_ENDPOINT to a mirror"
