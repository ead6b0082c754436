"""DNS-rebinding and cross-site protection for a service without keys.

Any web page can make its visitor's browser send requests to this machine: through a host name of its own that resolves
to this machine (DNS rebinding), or cross-site, without reading the reply. The Host header reveals the first, the
browser's Fetch Metadata the second (https://www.w3.org/TR/fetch-metadata/).
"""

import ipaddress
from collections.abc import Collection

from flask import Flask, request

from inkwell.errors import Forbidden
from inkwell.http.auth import PUBLIC, scope_of

LOCAL = "localhost"


def register(app: Flask, hosts: Collection[str], origins: Collection[str]) -> None:
    """Refuse host names that are neither local, nor IP addresses, nor in `hosts`, and pages of other origins."""
    known = {host.lower() for host in hosts}

    def check() -> None:
        if request.endpoint is None or scope_of(request.endpoint) == PUBLIC:
            return  # health and pages run no model, and probes use any host name
        name = _name(request.host)
        if not (_is_address(name) or name == LOCAL or name.endswith(f".{LOCAL}") or name in known):
            raise Forbidden("the host name in the Host header is not allowed; add it to INKWELL_HOSTS")
        cross_site = request.headers.get("Sec-Fetch-Site") == "cross-site"
        if cross_site and request.headers.get("Origin") not in origins:
            raise Forbidden("pages of this origin may not call the service; add the origin to INKWELL_CORS_ORIGINS")

    app.before_request(check)


def _name(host: str) -> str:
    """The Host header without its port, and without the brackets of an IPv6 address."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0].lower()


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
