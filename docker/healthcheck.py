"""The container's health check: exit status 0 if the service answers /livez.

Checks /livez rather than /readyz, and reads host and port from the service's own variables. Platforms that run the
Procfile's command set the port in PORT, so that one is tried as well.
"""

import http.client
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "service"))  # not an installed package

from inkwell.apache.probe import TIMEOUT_S, local_host  # noqa: E402
from inkwell.settings.settings import Settings  # noqa: E402


def main() -> int:
    """Return 0 if the service is alive, else 1."""
    settings = Settings.from_environ()
    ports = [settings.port] + [int(port) for port in (os.environ.get("PORT", ""),) if port.isdecimal()]
    return int(not any(alive(local_host(settings.host), port) for port in ports))


def alive(host: str, port: int) -> bool:
    """Whether the service answers 200 on /livez; a connection error is printed to stderr."""
    connection = http.client.HTTPConnection(host, port, timeout=TIMEOUT_S)
    try:
        connection.request("GET", "/livez", headers={"Connection": "close"})
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException) as error:
        print(f"no answer on port {port}: {error}", file=sys.stderr)
        return False
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(main())
