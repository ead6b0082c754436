"""Published third-party clients against the real Apache; their cases are in suites/."""

from collections.abc import Callable

import pytest

from tests.clients.suite import ALL_SUITES, Suite

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]  # the first case waits for its environment
CASES = [
    pytest.param(suite, case, marks=pytest.mark.environment(suite.environment), id=f"{suite.name}-{case}")
    for suite in ALL_SUITES
    for case in suite.cases()
]


@pytest.mark.parametrize(("suite", "case"), CASES)
def test_the_client_works(runs: Callable[[Suite], dict[str, str]], suite: Suite, case: str):
    outcomes = runs(suite)
    assert case in outcomes, f"was never run; run were {', '.join(outcomes)}"
    assert not outcomes[case], outcomes[case]
