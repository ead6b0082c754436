"""DNS-rebinding and cross-site protection for a service without keys.

Any web page can make its visitor's browser send requests to this machine: through a name of its own that resolves to
this host (DNS rebinding), or cross-site, without reading the reply. The first is recognised by the Host header, the
second by the browser's Fetch Metadata (https://www.w3.org/TR/fetch-metadata/).
"""

import ipaddress
from collections.abc import Collection

from flask import Flask, request

from inkwell.errors import Forbidden
from inkwell.http.auth import PUBLIC, scope_of

LOCAL = "localhost"


def register(app: Flask, hosts: Collection[str], origins: Collection[str]) -> None:
    """Refuse names that are neither local, nor addresses, nor among `hosts`; and pages that are not of `origins`."""
    known = {host.lower() for host in hosts}

    def judge() -> None:
        if request.endpoint is None or scope_of(request.endpoint) == PUBLIC:
            return  # health and the pages compute nothing, and probes use any name
        name = _name(request.host)
        if not (_is_address(name) or name == LOCAL or name.endswith(f".{LOCAL}") or name in known):
            raise Forbidden("the service does not answer to the name in the Host header; INKWELL_HOSTS lists others")
        cross_site = request.headers.get("Sec-Fetch-Site") == "cross-site"
        if cross_site and request.headers.get("Origin") not in origins:
            raise Forbidden("pages of this origin may not call the service; INKWELL_CORS_ORIGINS lists those that may")

    app.before_request(judge)


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
