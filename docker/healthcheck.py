"""The health check of a container: exit status 0 if the service answers on its own address that it is alive.

It asks /livez and not /readyz, and reads host and port from the same variables as the service; behind the Procfile's
command the port is in PORT.
"""

import http.client
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "service"))  # it is not installed

from inkwell.apache.probe import TIMEOUT_S, local_host  # noqa: E402
from inkwell.settings.settings import Settings  # noqa: E402


def main() -> int:
    """0 for alive, 1 for anything else."""
    settings = Settings.from_environ()
    ports = [settings.port] + [int(port) for port in (os.environ.get("PORT", ""),) if port.isdecimal()]
    return int(not any(alive(local_host(settings.host), port) for port in ports))


def alive(host: str, port: int) -> bool:
    """Whether the service answers there; what else there is goes to stderr."""
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
