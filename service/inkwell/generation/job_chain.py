"""The engine's jobs of one text. With `slides` a further job continues when the context is full.

A further job keeps the newer half of the context. Knows token ids and no text.
"""

from dataclasses import replace

from inkwell.engine.contract import Job


class JobChain:
    """One text of at most `max_tokens` tokens. `job` is a template: its key and its length do not matter."""

    def __init__(self, job: Job, max_tokens: int, context: int, slides: bool) -> None:
        self.generated = 0  # tokens, including those after the end of the text that is kept
        self.dropped_tokens = 0  # slid out of the context
        self._job = job
        self._max_tokens = max_tokens
        self._context = context
        self._slides = slides
        self._window = list(job.prompt)  # what the running job's slot holds

    @property
    def first(self) -> Job:
        return replace(self._job, max_tokens=self._room())

    @property
    def continues(self) -> bool:
        """Whether another job follows one that ends at its limit."""
        return self._slides and self.generated < self._max_tokens

    def push(self, token: int) -> None:
        """The running job has generated one more token."""
        self.generated += 1
        self._window.append(token)

    def next(self) -> Job:
        """The job that continues the text, which slides the window."""
        kept = max(self._context // 2, 1)
        self.dropped_tokens += len(self._window) - kept
        del self._window[:-kept]
        return replace(
            self._job,
            prompt=tuple(self._window),
            max_tokens=self._room(),
            generated_before=self.generated,
            prompt_logprobs=None,
        )

    def _room(self) -> int:
        return min(self._max_tokens - self.generated, self._context - len(self._window))
