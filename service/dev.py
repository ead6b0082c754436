"""`flask --app service.dev run`: the application under Flask's own server, for development only (`make dev`)."""

import logging

from service.app import create_app
from service.errors import SettingsError
from service.logs import configure
from service.settings import Settings

try:
    _settings = Settings.from_environ()
except SettingsError as error:
    raise SystemExit(f"inkwell: {error.message}") from None
configure(_settings.log_level)
logging.getLogger("werkzeug").setLevel(logging.WARNING)  # its access log would show the query, and so the prompts
application = create_app(_settings)
