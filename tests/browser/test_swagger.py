"""`/apidocs/` in a real browser: it lists the operations, executes them, and loads nothing from other hosts."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import pytest
import requests
from playwright.sync_api import Browser, Page, sync_playwright

from inkwell.parameters import BY_NAME
from tests.servable import continued

pytestmark = pytest.mark.slow
CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
SOME = {"GET /text-generate", "POST /v1/chat/completions", "POST /generate", "DELETE /v1/requests/{request_id}"}
TIMEOUT_MS = 30_000  # the first request loads the model


@dataclass
class Visit:
    """A page, with its console errors and requests."""

    page: Page
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)  # console errors, violations of the policy, exceptions

    def hosts(self) -> set[str]:
        return {urlsplit(url).netloc for url in self.requests if not url.startswith("data:")}

    def open(self, operation: str) -> None:
        self.page.click(f"#operations-{operation} .opblock-summary")
        self.page.wait_for_selector(f"#operations-{operation} .execute")

    def execute(self, operation: str) -> tuple[str, str]:
        """Press the button; return the status and the body that the page then shows."""
        block = f"#operations-{operation}"
        self.page.click(f"{block} .execute")
        self.page.wait_for_selector(f"{block} .live-responses-table .response-col_status")
        status = self.page.inner_text(f"{block} .live-responses-table tbody .response-col_status")
        return status.strip(), self.page.inner_text(f"{block} .live-responses-table .highlight-code code")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def visit(browser: Browser) -> Iterator[Visit]:
    page = browser.new_page()
    page.set_default_timeout(TIMEOUT_MS)
    visit = Visit(page)
    page.on("request", lambda request: visit.requests.append(request.url))
    page.on("console", lambda message: visit.complaints.append(message.text) if message.type != "log" else None)
    page.on("pageerror", lambda error: visit.complaints.append(str(error)))
    yield visit
    page.close()


def test_a_visitor_sees_every_operation(visit: Visit, server: str):
    visit.page.goto(f"{server}/apidocs/")
    visit.page.wait_for_selector(".opblock")
    names = [
        f"{block.query_selector('.opblock-summary-method').inner_text()} "
        f"{block.query_selector('.opblock-summary-path').get_attribute('data-path')}"
        for block in visit.page.query_selector_all(".opblock")
    ]
    spec = requests.get(f"{server}/apispec_1.json", timeout=TIMEOUT_MS / 1000).json()
    documented = {f"{method.upper()} {path}" for path, methods in spec["paths"].items() for method in methods}
    assert sorted(names) == sorted(documented) and documented >= SOME
    assert visit.hosts() == {urlsplit(server).netloc} and visit.complaints == []


def test_a_visitor_can_press_execute_and_gets_text(visit: Visit, server: str):
    visit.page.goto(f"{server}/apidocs/")
    visit.open("generation-get_text_generate")
    parameters = visit.page.inner_text("#operations-generation-get_text_generate .parameters-container")
    assert "Between 0 and 2; default 1." in parameters and BY_NAME["length"].help in parameters
    visit.page.fill("tr[data-param-name=temperature] input", "0")
    status, body = visit.execute("generation-get_text_generate")
    assert (status, body) == ("200", continued("Once upon a time", 40))
    assert visit.hosts() == {urlsplit(server).netloc} and visit.complaints == []


@pytest.mark.parametrize("media", ["application/json", "application/x-www-form-urlencoded"])
def test_the_examples_of_a_post_work_as_they_stand(visit: Visit, server: str, media: str):
    visit.page.goto(f"{server}/apidocs/")
    visit.open("generation-post_text_generate")
    visit.page.select_option("#operations-generation-post_text_generate .body-param-content-type select", media)
    status, body = visit.execute("generation-post_text_generate")
    assert status == "200" and body
    assert visit.hosts() == {urlsplit(server).netloc} and visit.complaints == []


def test_an_error_is_shown_with_its_reason(visit: Visit, server: str):
    visit.page.goto(f"{server}/apidocs/")
    visit.open("generation-get_text_generate")
    visit.page.fill("tr[data-param-name=model_name] input", "nobody")
    status, body = visit.execute("generation-get_text_generate")
    assert status.startswith("404") and "model_not_found" in body


def test_the_form_of_the_answer_can_be_chosen(visit: Visit, server: str):
    visit.page.goto(f"{server}/apidocs/")
    visit.open("generation-get_text_generate")
    visit.open("generation-post_text_generate")
    chooser = "#operations-generation-{}_text_generate .response[data-code='200'] select.content-type"
    assert (
        visit.page.input_value(chooser.format("get")) == visit.page.input_value(chooser.format("post")) == "text/plain"
    )
    visit.page.select_option(chooser.format("get"), "application/json")
    status, body = visit.execute("generation-get_text_generate")
    assert status == "200" and '"finish_reason"' in body


@pytest.mark.parametrize(
    "query", ["?url=//evil.invalid/", "?configUrl=//evil.invalid/", "?url=https://evil.invalid/x.json"]
)
def test_a_link_cannot_load_a_foreign_spec(visit: Visit, server: str, query: str):
    visit.page.goto(f"{server}/apidocs/{query}")
    visit.page.wait_for_selector(".opblock")
    assert visit.page.inner_text(".info .title").startswith("Inkwell")
    assert visit.hosts() == {urlsplit(server).netloc} and visit.complaints == []
