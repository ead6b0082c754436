"""How an admitted request ended: what its log record, the metrics and its trace are made of.

Only names, counts and times; no text.
"""

from collections.abc import Callable
from dataclasses import dataclass

OK, CANCELLED, REFUSED = "ok", "cancelled", "refused"


@dataclass(frozen=True, slots=True)
class RequestOutcome:
    """One request. Times are seconds from its start, but `queue_s`, which is the longest wait of a text for its slot.

    `cached_tokens` are those of `prompt_tokens` that were found computed. `computed` says whether the engine has told
    anything of a text, which then had its slot; else there is nothing to say of either.
    """

    request_id: str
    client: str
    model: str | None  # the name of its folder; None where there is none
    # "refused" where another request, or the same one later, may pass; a code where it failed for another reason.
    result: str
    finish_reasons: tuple[str, ...]
    prompt_tokens: int
    cached_tokens: int
    generated_tokens: int
    computed: bool
    submitted_s: float | None  # when it was handed to the model's worker; None if it never was
    queue_s: float
    first_token_s: float | None
    duration_s: float


# Called when a request is admitted, in its thread; the function it returns is called once, with the outcome.
OutcomeListener = Callable[[], Callable[[RequestOutcome], None]]
