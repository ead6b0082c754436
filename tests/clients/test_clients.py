"""Clients that others wrote, as they are published, against the real Apache: see suites/ for what each is asked."""

import pytest

from tests.clients.suite import SUITES_BY_NAME

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]  # the first case waits for its environment
CASES = [
    pytest.param(suite.name, case, marks=pytest.mark.environment(suite.environment), id=f"{suite.name}-{case}")
    for suite in SUITES_BY_NAME.values()
    for case in suite.cases()
]


@pytest.mark.parametrize(("outcomes", "case"), CASES, indirect=["outcomes"])
def test_the_client_works(outcomes: dict[str, str], case: str):
    assert case in outcomes, f"was never run; run were {', '.join(outcomes)}"
    assert not outcomes[case], outcomes[case]
