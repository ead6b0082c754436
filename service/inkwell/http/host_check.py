"""Keeps strange web pages away from a service that asks nobody for a key.

A page can make a browser send requests to this machine: under a name of its own that it lets point here (DNS
rebinding), or from where it stands, without reading the answer. The first shows in the Host header, the second in
what the browser says of the page (Fetch Metadata, https://www.w3.org/TR/fetch-metadata/).
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
            return  # health and the pages: they compute nothing, and probes come under any name
        name = _name(request.host)
        if not (_is_address(name) or name == LOCAL or name.endswith(f".{LOCAL}") or name in known):
            raise Forbidden("the service does not answer to the name in the Host header; INKWELL_HOSTS lists others")
        strange = request.headers.get("Sec-Fetch-Site") == "cross-site"
        if strange and request.headers.get("Origin") not in origins:
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
