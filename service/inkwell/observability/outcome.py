"""The outcome of an admitted request, from which its log record, metrics and trace are derived.

Contains only names, counts and times; no text.
"""

from collections.abc import Callable
from dataclasses import dataclass

OK, CANCELLED, REFUSED = "ok", "cancelled", "refused"


@dataclass(frozen=True, slots=True)
class RequestOutcome:
    """One request. Times are seconds from its start, except `queue_s`, the longest wait of a text for its slot.

    `cached_tokens` counts those of `prompt_tokens` that were reused from the prefix cache. `computed` is whether the
    engine has reported anything on a text, which then had a slot; if not, neither count means anything.
    """

    request_id: str
    client: str
    model: str | None  # folder name; None if there is no such folder
    # "ok", "cancelled", or "refused" if a different request or a later attempt may succeed; otherwise the error code.
    result: str
    finish_reasons: tuple[str, ...]
    prompt_tokens: int
    cached_tokens: int
    generated_tokens: int
    computed: bool
    submitted_s: float | None  # when it was submitted to the worker; None if it never was
    queue_s: float
    first_token_s: float | None
    duration_s: float


# Called in the request's thread at admission; the returned function is called once, with the outcome.
OutcomeListener = Callable[[], Callable[[RequestOutcome], None]]
