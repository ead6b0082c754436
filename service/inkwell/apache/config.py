"""httpd.conf, rendered from the template beside this file.

Takes the settings and a `Site` (folders and account of this start), returns text, and writes the error documents that
the text refers to. Starts nothing. Values that other modules share are defined here; all other numbers are in the
template, each with its reason.
"""

import importlib.util
import json
import math
import sys
from dataclasses import dataclass
from pathlib import Path
from string import Template

from inkwell.errors import SettingsError
from inkwell.parameters.refusals import BODY_BYTES, HEADER_BYTES, HEADERS, REFUSALS, REQUEST_LINE_BYTES
from inkwell.settings.settings import Settings

TEMPLATE = Path(__file__).with_name("httpd.conf.template")
APACHE_MODULES = Path("/usr/lib/apache2/modules")
# One level above ours: at info, mod_wsgi logs every stage of its start, and at debug every request.
LOG_LEVELS = {"debug": "info", "info": "warn", "warning": "warn", "error": "error"}
HTTPD_CONF = "httpd.conf"
DRAIN_S = 315  # longest wait for running requests at a stop, after which they are aborted


@dataclass(frozen=True, slots=True)
class Site:
    """Folders and account of one start of the service."""

    run_dir: Path  # private to this start, removed at its end
    root: Path  # holds the `service` package as Apache's processes import it
    account: str | None  # the user of Apache's children; None for the user that started the launcher


def authority(host: str, port: int) -> str:
    """`host:port` as Listen directives and URLs write it."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def render(settings: Settings, site: Site) -> str:
    """Return the complete httpd.conf."""
    values = {
        "listen": authority(settings.host, settings.port),
        "run_dir": site.run_dir,
        "root": site.root,
        "identity": f"User {site.account}\nGroup {site.account}" if site.account else "",
        "apache_modules": APACHE_MODULES,
        "wsgi_module": _wsgi_module(),
        "python_home": sys.prefix,
        "error_documents": _error_documents(),
        "request_line_bytes": REQUEST_LINE_BYTES,
        "header_bytes": HEADER_BYTES,
        "headers": HEADERS,
        "body_bytes": BODY_BYTES,
        "connections": settings.max_connections,
        "drain_s": DRAIN_S,
        "silence_s": math.ceil(settings.request_timeout_s) + 30,
        "log_level": LOG_LEVELS[settings.log_level],
    }
    return Template(TEMPLATE.read_text()).substitute(values)


def write_refusals(folder: Path) -> None:
    """Write one JSON file per status, under the names that httpd.conf refers to."""
    folder.mkdir()
    for refusal in REFUSALS:
        (folder / f"{refusal.status}.json").write_text(json.dumps(refusal.body()) + "\n")


def _error_documents() -> str:
    """The ErrorDocument lines of httpd.conf."""
    return "\n".join(f"ErrorDocument {refusal.status} /.refusals/{refusal.status}.json" for refusal in REFUSALS)


def _wsgi_module() -> Path:
    """mod_wsgi's Apache module as pip built it for this interpreter.

    Found on disk rather than imported: the package's own `server` module warns when it is imported.
    """
    package = importlib.util.find_spec("mod_wsgi")
    folders = package.submodule_search_locations if package else None
    built = [module for folder in folders or () for module in Path(folder).glob("server/mod_wsgi-py*.so")]
    if not built:
        raise SettingsError(f"mod_wsgi is not installed for {sys.executable}; `make serve` installs it")
    return built[0]
