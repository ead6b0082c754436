"""Which small model drafts for which large one, as the operator configured it.

A draft is a row of token ids, so both must have the same vocabulary; that is checked here, before a process starts.
"""

from collections.abc import Iterable

from inkwell.checkpoints.catalog import known_model
from inkwell.errors import InkwellError, LoadFailed
from inkwell.models.model_store import Model, ModelStore


class DraftModelMap:
    """Pairs of (large model, small model), by name or alias."""

    def __init__(self, store: ModelStore, pairs: Iterable[tuple[str, str]]) -> None:
        self._library = store
        self._draft_of = {_canonical(name): draft for name, draft in pairs}

    def folder_of(self, model: Model) -> str:
        """The folder of the model that drafts for this one; empty when none does. Raises LoadFailed if it cannot."""
        name = self._draft_of.get(model.name)
        if name is None:
            return ""
        try:
            draft = self._library.find(name)
            fits = draft.tokenizer.agrees_with(model.tokenizer)
        except InkwellError as error:
            raise LoadFailed(f"{name}, which should draft for {model.name}, cannot be used: {error.message}") from error
        if not fits:
            raise LoadFailed(f"{name} cannot draft for {model.name}: their vocabularies differ")
        return str(draft.path)


def _canonical(name: str) -> str:
    known = known_model(name)
    return known.name if known else name
