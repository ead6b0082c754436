"""A hub client: lists a repository at a revision, and downloads files with resume, checksums and retries.

Built on huggingface_hub's session, headers, token and errors; works with the values of `scripts.repository`. It does
not use `hf_hub_download`, which since 2026-06 downloads into a temporary file per process and deletes it at the end, so
that it cannot resume after a kill. Knows nothing of models directories.
"""

import errno
import os
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import httpx2
from huggingface_hub import HfApi, ModelInfo, constants, hf_hub_url
from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled
from huggingface_hub.hf_api import RepoSibling
from huggingface_hub.utils import build_hf_headers, get_session, hf_raise_for_status

from scripts.hub_errors import advice, pause_s, summary
from scripts.repository import DownloadError, Listing, RemoteFile, size_text

REVISION = re.compile(r"[0-9a-f]{40}")
CHECKSUM = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Hub:
    """The hub at HF_ENDPOINT. `retries` limits consecutive failures; any progress resets the count."""

    retries: int
    log: Callable[[str], None]

    def listing(self, hub_id: str, revision: str | None) -> Listing:
        """Return all files of a repository with size and checksum, at a revision or, if None, at the newest one."""
        try:
            return _listing(hub_id, revision, self._with_retries(lambda: _model_info(hub_id, revision)))
        except (httpx2.HTTPError, OfflineModeIsEnabled) as error:
            raise DownloadError(advice(error, hub_id, revision)) from error
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise DownloadError(
                f"{constants.ENDPOINT} answered, but not as a hub does ({error}): check HF_ENDPOINT, and whether a "
                "proxy or a network login page intercepts the connection"
            ) from error

    def fetch(self, listing: Listing, file: RemoteFile, folder: Path, advance: Callable[[int], object]) -> None:
        """Download `file` into `folder`, resuming a partial file; it gets its final name once its checksum matches."""
        final, partial = folder / file.name, folder / file.partial_name
        url = hf_hub_url(listing.hub_id, file.name, revision=listing.revision)
        try:
            self._with_retries(lambda: _receive(url, file, final, partial, advance), lambda: _size(partial))
        except (httpx2.HTTPError, OfflineModeIsEnabled) as error:
            reason = advice(error, listing.hub_id, listing.revision)
            raise DownloadError(f"{file.name}: {reason}{_kept(partial)}") from error
        if final.exists():
            return  # another process completed it in the same folder
        if not file.matches(partial):
            partial.unlink(missing_ok=True)
            raise DownloadError(
                f"{file.name} does not match the hub's checksum ({file.checksum}) and was removed. Run the same "
                f"command again; if that fails too, {constants.ENDPOINT} serves a damaged copy"
            )
        partial.replace(final)

    def _with_retries(self, action: Callable[[], T], position: Callable[[], int] = lambda: 0) -> T:
        """Run `action`, and retry it after temporary failures; an increase of `position` resets the count."""
        failures = 0
        while True:
            before = position()
            try:
                return action()
            except (httpx2.TransportError, HfHubHTTPError) as error:
                failures = 1 if position() > before else failures + 1
                wait_s = pause_s(error, failures)
                if wait_s is None or failures > self.retries:
                    raise
                self.log(f"{summary(error)}; trying again in {wait_s:.1f} s ({failures} of {self.retries})")
                time.sleep(wait_s)


def _model_info(hub_id: str, revision: str | None) -> ModelInfo:
    timeout_s = float(constants.HF_HUB_DOWNLOAD_TIMEOUT)
    return HfApi().model_info(hub_id, revision=revision, files_metadata=True, timeout=timeout_s)


def _listing(hub_id: str, revision: str | None, info: ModelInfo) -> Listing:
    found = info.sha or ""
    if not REVISION.fullmatch(found) or (revision is not None and found != revision):
        raise ValueError(f"it describes revision {found or 'none'}")
    return Listing(hub_id, found, tuple(_remote_file(sibling) for sibling in info.siblings or ()))


def _remote_file(sibling: RepoSibling) -> RemoteFile:
    """Convert the hub's description of a file; the checksum becomes part of a file name, so its form is validated."""
    checksum = sibling.lfs.sha256 if sibling.lfs else sibling.blob_id
    if not isinstance(sibling.rfilename, str) or not isinstance(sibling.size, int) or sibling.size < 0:
        raise ValueError("it states no size for a file")
    if not isinstance(checksum, str) or not CHECKSUM.fullmatch(checksum):
        raise ValueError("it states no checksum for a file")
    return RemoteFile(sibling.rfilename, sibling.size, checksum)


def _receive(url: str, file: RemoteFile, final: Path, partial: Path, advance: Callable[[int], object]) -> None:
    """Request the missing bytes once."""
    offset = _size(partial)
    if final.exists() or (partial.exists() and offset == file.size_bytes):
        return
    if not partial.parent.is_dir():  # without working locks, another process may have published it
        raise FileNotFoundError(errno.ENOENT, "the folder of this download is gone", str(partial.parent))
    # No compression: sizes and ranges must refer to the bytes of the file itself.
    headers = build_hf_headers(library_name="inkwell") | {"accept-encoding": "identity"}
    if offset:
        headers["range"] = f"bytes={offset}-"
    # The session follows redirects, and drops the Authorization header if scheme, host or port change.
    with get_session().stream("GET", url, headers=headers, timeout=constants.HF_HUB_DOWNLOAD_TIMEOUT) as response:
        if response.status_code == 416:
            raise _wrong_length(file, partial, "shorter")
        hf_raise_for_status(response)
        if offset and not _resumes(response, offset):
            partial.unlink(missing_ok=True)  # not truncated: another process may be writing it
            advance(-offset)
            offset = 0
        _store(response, file, partial, offset, advance)


def _store(
    response: httpx2.Response, file: RemoteFile, partial: Path, offset: int, advance: Callable[[int], object]
) -> None:
    """Write the received bytes at their offset in the file.

    O_APPEND is not used: on file systems without working locks, two processes may write this file at once. Writing the
    same bytes at the same offset is harmless; appending them is not.
    """
    with open(os.open(partial, os.O_WRONLY | os.O_CREAT, 0o666), "wb") as target:
        target.seek(offset)
        for chunk in response.iter_bytes():
            offset += len(chunk)
            if offset > file.size_bytes:
                raise _wrong_length(file, partial, "longer")
            target.write(chunk)
            advance(len(chunk))
            if not partial.exists():
                raise httpx2.ReadError(f"{partial.name} was moved by another process")
        target.flush()
        os.fsync(target.fileno())
    if offset < file.size_bytes:
        raise httpx2.RemoteProtocolError(f"{file.name} ended after {offset} of {file.size_bytes} bytes")


def _resumes(response: httpx2.Response, offset: int) -> bool:
    return response.status_code == 206 and response.headers.get("content-range", "").startswith(f"bytes {offset}-")


def _wrong_length(file: RemoteFile, partial: Path, relation: str) -> DownloadError:
    partial.unlink(missing_ok=True)
    return DownloadError(
        f"{file.name} is {relation} than the {file.size_bytes:,} bytes that the hub states, and was removed. Run the "
        f"same command again; if that fails too, {constants.ENDPOINT} serves a damaged copy"
    )


def _kept(partial: Path) -> str:
    kept_bytes = _size(partial)
    return f" ({size_text(kept_bytes)} are kept; run the same command to resume)" if kept_bytes else ""


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
