"""`python -m inkwell`: checks the settings, starts Apache with the application in it, and supervises it to its end.

Exit status: 0 after a stop in which every request finished, 1 if some were aborted or Apache ended unexpectedly, 78
(EX_CONFIG) with one line on standard error when the service cannot run as it is configured.
"""

import argparse
import os
import socket
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from inkwell.access.admission import DRAIN_FLAG
from inkwell.access.keys import check_exposure, load_keys
from inkwell.apache.apache_logs import ApacheLogTranslator
from inkwell.apache.config import authority
from inkwell.apache.console import log_info, print_fatal
from inkwell.apache.httpd import environment, running_httpd
from inkwell.apache.run_folder import run_folder
from inkwell.apache.site import prepare_site, readable_keys, readable_models
from inkwell.apache.stop_signals import StopSignals
from inkwell.apache.supervisor import Supervisor
from inkwell.errors import SettingsError
from inkwell.observability.logs import configure
from inkwell.observability.tracing import tracing
from inkwell.settings.settings import Settings, log_format, otel_variables


def main() -> int:
    """Run the service and return its exit status."""
    stop = StopSignals()
    stage = _parse_arguments()
    try:
        settings = Settings.from_environ()
        configure("info", settings.log_format)
        check_exposure(load_keys(settings.keys_file, settings.keys), settings.host, settings.open)
        otel = otel_variables()
        _check_tracing(otel)
        _check_address(settings.host, settings.port)
        return _serve(settings, otel, stage, stop)
    except SettingsError as error:
        print_fatal(error.message, log_format())
        return os.EX_CONFIG


def _parse_arguments() -> Path | None:
    parser = argparse.ArgumentParser(prog="python -m inkwell", description="Serve models over HTTP; see README.md.")
    parser.add_argument(
        "--stage",
        type=Path,
        metavar="FOLDER",
        help="run from copies in this folder, for a checkout that Apache's account cannot read",
    )
    stage: Path | None = parser.parse_args().stage
    return stage


def _check_tracing(otel: dict[str, str]) -> None:
    """Reject settings with which the web process could not start; it builds its own tracer."""
    if sender := tracing(otel):
        sender.close()


def _check_address(host: str, port: int) -> None:
    """Reject an address that Apache could not listen on, with one line instead of Apache's several."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        where = authority(host, port)
        raise SettingsError(
            f"cannot listen on {where} (INKWELL_HOST, INKWELL_PORT; PORT=... with make): {error.strerror}"
        ) from error


def _serve(settings: Settings, otel: dict[str, str], stage: Path | None, stop: StopSignals) -> int:
    with ExitStack() as stack:
        run_dir = stack.enter_context(run_folder(stage or Path(tempfile.gettempdir())))
        models_dir = stack.enter_context(readable_models(settings.models_dir, stage))
        keys_file = readable_keys(settings, run_dir)
        served = replace(settings, models_dir=models_dir, state_dir=run_dir, keys_file=keys_file, keys="")
        prepare_site(served, run_dir, stage)
        log_info(f"starting Apache on {authority(settings.host, settings.port)}, models from {settings.models_dir}")
        translator = ApacheLogTranslator(settings.log_format, settings.log_level)
        httpd = stack.enter_context(running_httpd(run_dir, environment(served, run_dir, otel), translator))
        return Supervisor(settings, httpd, stop, run_dir / DRAIN_FLAG).run()


if __name__ == "__main__":
    sys.exit(main())
