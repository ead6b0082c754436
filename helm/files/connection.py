"""What `helm test` asks: is the service alive and ready, and does it ask for keys where it should.

Takes the service's address, and "open" or "closed". Uses nothing but the standard library.
"""

import sys
import urllib.error
import urllib.request

TIMEOUT_S = 10


def status_of(url: str) -> int:
    """The HTTP status that a GET without a key gets."""
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_S) as reply:
            return reply.status
    except urllib.error.HTTPError as refusal:
        return refusal.code


def main(service: str, access: str) -> int:
    """1 where an answer is not what it should be; prints every one."""
    expected = {"/livez": 200, "/readyz": 200, "/models": 200 if access == "open" else 401}
    found = {path: status_of(service + path) for path in expected}
    for path, status in found.items():
        print(path, status, "" if status == expected[path] else f"instead of {expected[path]}")
    return int(found != expected)


sys.exit(main(*sys.argv[1:]))
