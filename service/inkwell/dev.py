"""`flask --app inkwell.dev run`: the application under Flask's own server, for development only (`make dev`)."""

import logging

from inkwell.app import create_app
from inkwell.errors import SettingsError
from inkwell.observability.logs import configure
from inkwell.observability.tracing import tracing
from inkwell.settings.settings import Settings, otel_variables

logging.getLogger("werkzeug").setLevel(logging.WARNING)  # its access log would show the query, and so the prompts
try:
    _settings = Settings.from_environ()
    configure(_settings.log_level, _settings.log_format)
    application = create_app(_settings, tracing(otel_variables()))
except SettingsError as error:
    raise SystemExit(f"inkwell: {error.message}") from None
