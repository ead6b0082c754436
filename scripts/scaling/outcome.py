"""What came of a run: every request's times, and how many pods there were when. Figures by numpy."""

from dataclasses import dataclass, field

import numpy as np

from scripts.scaling.fleet import Fleet
from scripts.scaling.replica import Ticket
from scripts.scaling.trace import Arrival


@dataclass(frozen=True, slots=True)
class Moment:
    """The pods at one moment."""

    at_s: float
    ready: int
    wanted: int  # ready or starting
    held: int  # and those that drain


@dataclass(slots=True)
class Outcome:
    """Grows while a simulation runs; read it afterwards."""

    tickets: list[Ticket] = field(default_factory=list)
    moments: list[Moment] = field(default_factory=list)
    end_s: float = 0.0

    def ticket(self, arrival: Arrival) -> Ticket:
        self.tickets.append(Ticket(arrival.at_s, arrival.prompt_tokens, arrival.new_tokens))
        return self.tickets[-1]

    def note(self, now_s: float, fleet: Fleet) -> None:
        wanted = len(fleet.pods)
        self.moments.append(Moment(now_s, len(fleet.ready(now_s)), wanted, wanted + len(fleet.draining)))

    def close(self, end_s: float) -> None:
        self.end_s = end_s

    def between(self, begin_s: float, end_s: float) -> "Outcome":
        """The requests that were first sent within these moments, and no pods."""
        return Outcome([ticket for ticket in self.tickets if begin_s <= ticket.arrived_s < end_s], [], self.end_s)

    def waits_s(self) -> np.ndarray:
        """[requests that were served]: from the first sending to the slot, refusals and pauses included."""
        return np.array([item.started_s - item.arrived_s for item in self.tickets if item.started_s is not None])

    def wait_s(self, percent: float) -> float:
        """A percentile of the waits; not a number where nobody was served."""
        waits = self.waits_s()
        return float(np.percentile(waits, percent)) if len(waits) else float("nan")

    @property
    def refused(self) -> float:
        """Share of the requests that were refused at least once."""
        return sum(item.refusals > 0 for item in self.tickets) / max(1, len(self.tickets))

    @property
    def absent(self) -> float:
        """Share of the requests that found no pod at least once."""
        return sum(item.unserved > 0 for item in self.tickets) / max(1, len(self.tickets))

    @property
    def lost(self) -> float:
        """Share of the requests that were never served."""
        return sum(item.ended_s is None for item in self.tickets) / max(1, len(self.tickets))

    @property
    def most_pods(self) -> int:
        return max(moment.wanted for moment in self.moments)

    def pods_at(self, now_s: float) -> int:
        """Ready or starting."""
        return next(moment.wanted for moment in reversed(self.moments) if moment.at_s <= now_s)

    @property
    def pod_hours(self) -> float:
        """Until the end of the run; pods that drain count, they are paid for."""
        times = [moment.at_s for moment in self.moments] + [self.end_s]
        held = [moment.held for moment in self.moments]
        return (
            sum(pods * max(0.0, until - since) for pods, since, until in zip(held, times, times[1:], strict=False))
            / 3600
        )

    @property
    def tokens_per_s(self) -> float:
        """Generated tokens over the time from the first arrival to the last end."""
        done = [item for item in self.tickets if item.ended_s is not None]
        span_s = max(item.ended_s or 0.0 for item in done) - min(item.arrived_s for item in done)
        return sum(item.new_tokens for item in done) / span_s
