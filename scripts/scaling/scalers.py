"""What decides about pods: HPA on the processor, HPA on the queue, KEDA. Each looks at what was scraped, never at now.

`sync` is asked every 15 s for the number of pods, as the HPA controller asks; `poll` is KEDA's own loop, which only
takes the first pod up and the last one down.
"""

from dataclasses import dataclass
from typing import Protocol

from scripts.scaling.fleet import Fleet
from scripts.scaling.hpa import Behavior, Controller, pods_wanted, sum_wanted


@dataclass(frozen=True, slots=True)
class Targets:
    """The chart's values of the same meaning, under `autoscaling`."""

    behavior: Behavior
    min_replicas: int = 1
    max_replicas: int = 4
    cpu_percent: float = 70.0
    wait_s: float = 10.0
    running: float = 12.0  # 0 is off
    polling_s: float = 15.0
    cooldown_s: float = 360.0
    wake_per_s: float = 0.0  # what one pod takes of the front door's rate; 0 is no such trigger
    wake_window_s: float = 120.0


class Scaler(Protocol):
    """An autoscaler as the simulation sees it."""

    polling_s: float | None  # between two calls of `poll`; None without such a loop

    def sync(self, now_s: float, fleet: Fleet) -> int:
        """How many pods there are to be."""

    def poll(self, now_s: float, fleet: Fleet) -> int:
        """The same, of the loop that knows nothing but none and some."""


class HpaCpu:
    """Average utilisation of the processor, of what a pod requests; a step of the engine keeps all threads busy."""

    polling_s = None

    def __init__(self, targets: Targets, cores_per_request: float = 1.0) -> None:
        self._target = targets.cpu_percent / 100
        self._cores_per_request = cores_per_request
        self._controller = Controller(targets.behavior, targets.min_replicas, targets.max_replicas)

    def sync(self, now_s: float, fleet: Fleet) -> int:
        known = [pod.busy * self._cores_per_request for pod in fleet.pods if pod.scraped]
        current = len(fleet.pods)
        wanted = pods_wanted(current, known, current - len(known), self._target)
        return self._controller.decide(now_s, current, wanted)

    def poll(self, now_s: float, fleet: Fleet) -> int:
        return len(fleet.pods)


class HpaQueue:
    """Average estimated wait and average of running requests; the larger wish counts."""

    polling_s = None

    def __init__(self, targets: Targets) -> None:
        self._targets = targets
        self._controller = Controller(targets.behavior, targets.min_replicas, targets.max_replicas)

    def sync(self, now_s: float, fleet: Fleet) -> int:
        current = len(fleet.pods)
        seen = [pod for pod in fleet.pods if pod.scraped]
        unready = current - len(seen)
        wanted = pods_wanted(current, [pod.wait_s for pod in seen], unready, self._targets.wait_s)
        if self._targets.running:
            by_running = pods_wanted(current, [float(pod.running) for pod in seen], unready, self._targets.running)
            wanted = max(wanted, by_running)
        return self._controller.decide(now_s, current, wanted)

    def poll(self, now_s: float, fleet: Fleet) -> int:
        return len(fleet.pods)


class Keda:
    """Sums over the pods against the same targets; and none or some, by whether anything was seen lately."""

    def __init__(self, targets: Targets) -> None:
        self._targets = targets
        self._controller = Controller(targets.behavior, max(1, targets.min_replicas), targets.max_replicas)
        self._active_s = 0.0
        self.polling_s: float | None = targets.polling_s

    def sync(self, now_s: float, fleet: Fleet) -> int:
        current = len(fleet.pods)
        if not current:  # the HPA rests
            return 0
        wanted = max(sum_wanted(current, total, target) for total, target in self._triggers(now_s, fleet))
        return self._controller.decide(now_s, current, wanted)

    def poll(self, now_s: float, fleet: Fleet) -> int:
        if any(total > 0 for total, _ in self._triggers(now_s, fleet)):
            self._active_s = now_s
        current = len(fleet.pods)
        if not current and self._active_s == now_s:
            return 1
        idle = now_s - self._active_s >= self._targets.cooldown_s
        return 0 if idle and not self._targets.min_replicas else current

    def _triggers(self, now_s: float, fleet: Fleet) -> list[tuple[float, float]]:
        targets, seen = self._targets, [pod for pod in fleet.pods if pod.scraped]
        found = [(sum(pod.wait_s for pod in seen), targets.wait_s)]
        if targets.running:
            found.append((float(sum(pod.running for pod in seen)), targets.running))
        if targets.wake_per_s:
            found.append((fleet.door.per_s(now_s, targets.wake_window_s), targets.wake_per_s))
        return found
