"""Maps each large model to the small model that drafts for it, as configured by the operator.

Drafts are token ids, so both must have the same vocabulary; that is checked here, before a process starts.
"""

from collections.abc import Iterable

from inkwell.checkpoints.catalog import known_model
from inkwell.errors import InkwellError, LoadFailed
from inkwell.models.model_store import Model, ModelStore


class DraftModelMap:
    """Pairs of (large model, small model), by name or alias."""

    def __init__(self, store: ModelStore, pairs: Iterable[tuple[str, str]]) -> None:
        self._store = store
        self._draft_of = {_canonical(name): draft for name, draft in pairs}

    def folder_of(self, model: Model) -> str:
        """The folder of the draft model of this one; empty if there is none. Raises LoadFailed if it cannot be used."""
        name = self._draft_of.get(model.name)
        if name is None:
            return ""
        try:
            draft = self._store.find(name)
            fits = draft.tokenizer.agrees_with(model.tokenizer)
        except InkwellError as error:
            raise LoadFailed(f"{name}, which should draft for {model.name}, cannot be used: {error.message}") from error
        if not fits:
            raise LoadFailed(f"{name} cannot draft for {model.name}: their vocabularies differ")
        return str(draft.path)


def _canonical(name: str) -> str:
    known = known_model(name)
    return known.name if known else name
