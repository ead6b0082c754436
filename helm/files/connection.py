"""Run by `helm test`: checks that the service is alive and ready, and requires keys if it should.

Takes the service's URL, and "open" or "closed". Uses only the standard library.
"""

import sys
import urllib.error
import urllib.request

TIMEOUT_S = 10


def status_of(url: str) -> int:
    """Return the status of a GET without a key."""
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_S) as reply:
            return reply.status
    except urllib.error.HTTPError as refusal:
        return refusal.code


def main(service: str, access: str) -> int:
    """Print every status; return 1 if any of them is not the expected one."""
    expected = {"/livez": 200, "/readyz": 200, "/models": 200 if access == "open" else 401}
    found = {path: status_of(service + path) for path in expected}
    for path, status in found.items():
        print(path, status, "" if status == expected[path] else f"instead of {expected[path]}")
    return int(found != expected)


sys.exit(main(*sys.argv[1:]))
