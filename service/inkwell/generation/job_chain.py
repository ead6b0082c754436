"""The engine jobs of one text. With `slides`, another job continues the text when the context is full.

Each further job starts from the newer half of the context. Knows token ids and no text.
"""

from dataclasses import replace

from inkwell.engine.contract import Job


class JobChain:
    """One text of at most `max_tokens` tokens. `job` is a template, whose key and length are ignored."""

    def __init__(self, job: Job, max_tokens: int, context: int, slides: bool) -> None:
        self.generated = 0  # tokens, including those after the end of the text that is kept
        self.dropped_tokens = 0  # dropped when the window slid
        self._job = job
        self._max_tokens = max_tokens
        self._context = context
        self._slides = slides
        self._window = list(job.prompt)  # contents of the running job's slot

    @property
    def first(self) -> Job:
        return replace(self._job, max_tokens=self._room())

    @property
    def continues(self) -> bool:
        """Whether another job follows when the running one reaches its limit."""
        return self._slides and self.generated < self._max_tokens

    def push(self, token: int) -> None:
        """The running job has generated one more token."""
        self.generated += 1
        self._window.append(token)

    def next(self) -> Job:
        """Slide the window and return the job that continues the text."""
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
