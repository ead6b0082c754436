"""The WSGI entry point: Apache's mod_wsgi imports `application`.

Runs on the daemon's main thread, before requests are accepted.
"""

import mod_wsgi

from inkwell.app import create_app
from inkwell.observability.logs import configure
from inkwell.observability.tracing import tracing
from inkwell.settings.settings import Settings, otel_variables

_settings = Settings.from_environ()
configure(_settings.log_level, _settings.log_format)
_tracing = tracing(otel_variables())
application = create_app(_settings, _tracing)
# Workers would end with this process anyway; stopping them here lets them exit while the last bytes of streams leave.
mod_wsgi.subscribe_shutdown(lambda name, **_: application.extensions["inkwell"].close())
if _tracing:
    mod_wsgi.subscribe_shutdown(lambda name, **_: _tracing.close())
