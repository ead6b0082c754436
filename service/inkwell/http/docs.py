"""`/apidocs/`: Swagger UI for the OpenAPI document, which flasgger collects from the blueprints' operations.

flasgger's own page is switched off: its Swagger UI 3.28 has known script injection holes and loads fonts from other
hosts. The page is in templates/, and Swagger UI comes from the package flask-swagger-ui. The page loads nothing from
other hosts, which its content security policy enforces.
"""

from importlib.resources import files

from flasgger import Swagger
from flask import Flask, Response, abort, redirect, render_template, send_from_directory
from werkzeug.routing import Rule

from inkwell.http.auth import PUBLIC, ScopedBlueprint, declare
from inkwell.http.openapi import template

SPEC_PATH = "/apispec_1.json"  # flasgger's default, and the path that clients of the old service use
ASSETS = frozenset({"swagger-ui.css", "swagger-ui-bundle.js", "favicon-32x32.png"})
HEADERS = {
    # Swagger UI sets style attributes and has its icons in data: URLs; all else comes from this host.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
}


def register(app: Flask, version: str) -> None:
    """Serve the document and the page; call it after registering the other blueprints."""
    spec = {"endpoint": "apispec_1", "route": SPEC_PATH, "rule_filter": _documented, "model_filter": lambda tag: True}
    config = {"openapi": "3.0.3", "swagger_ui": False, "specs": [spec], "headers": []}
    Swagger(app, config=config, template=template(version), merge=True)
    declare(app, "flasgger.apispec_1", PUBLIC)
    app.register_blueprint(_blueprint())
    app.add_url_rule("/", "root", lambda: redirect("apidocs/"))  # relative: works below a proxy's prefix too
    declare(app, "root", PUBLIC)


def _documented(rule: Rule) -> bool:
    return not (rule.endpoint == "root" or str(rule).startswith("/apidocs"))


def _blueprint() -> ScopedBlueprint:
    routes = ScopedBlueprint(
        "docs", __name__, scope=PUBLIC, url_prefix="/apidocs", static_folder="static", template_folder="templates"
    )

    @routes.get("/")
    def page() -> str:
        return render_template("swagger.html")

    @routes.get("/assets/<name>")
    def asset(name: str) -> Response:
        if name not in ASSETS:
            abort(404)
        response = send_from_directory(str(files("flask_swagger_ui") / "dist"), name)
        if response.status_code == 412:  # Flask sends the file with it
            response.close()
            abort(412)
        return response

    @routes.after_request
    def protect(response: Response) -> Response:
        response.headers.update(HEADERS)
        return response

    return routes
