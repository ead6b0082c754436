"""Draft models: chosen by name or alias, and only if both models have the same vocabulary."""

from pathlib import Path

import pytest

from inkwell.engine.contract import EngineConfig
from inkwell.errors import LoadFailed
from inkwell.models.draft_model_map import DraftModelMap
from inkwell.models.model_store import ModelStore
from inkwell.models.registry import Registry
from tests.servable import save_servable, save_tokenizer


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    for name in ("1558M", "124M", "longer", "other"):
        save_servable(tmp_path / name)
    save_servable(tmp_path / "longer", vocab_size=260)
    save_tokenizer(tmp_path / "longer", extra_tokens=3)
    file = tmp_path / "other" / "tokenizer.json"
    file.write_text(
        file.read_text().replace('"a":', '"\U0001d51e":').replace('"b":', '"a":').replace('"\U0001d51e":', '"b":')
    )
    return ModelStore(tmp_path)


def folder_of(store: ModelStore, name: str, *pairs: tuple[str, str]) -> str:
    return DraftModelMap(store, pairs).folder_of(store.find(name))


def test_the_named_model_drafts_and_for_no_other(store):
    pair = ("1558M", "124M")
    assert Path(folder_of(store, "1558M", pair)).name == "124M"
    assert folder_of(store, "124M", pair) == ""


def test_aliases_are_understood_on_both_sides(store):
    assert Path(folder_of(store, "1558M", ("gpt2-xl", "gpt2"))).name == "124M"


def test_ids_that_only_one_of_them_has_are_no_difference(store):
    assert Path(folder_of(store, "longer", ("longer", "124M"))).name == "124M"
    assert Path(folder_of(store, "124M", ("124M", "longer"))).name == "longer"


def test_another_vocabulary_is_refused_in_one_sentence(store):
    with pytest.raises(LoadFailed) as caught:
        folder_of(store, "1558M", ("1558M", "other"))
    assert caught.value.message == "other cannot draft for 1558M: their vocabularies differ"


def test_a_draft_that_is_not_there_is_told_by_name(store):
    with pytest.raises(LoadFailed, match="355M, which should draft for 1558M, cannot be used: 355M is not on this"):
        folder_of(store, "1558M", ("1558M", "355M"))


@pytest.mark.slow
def test_a_worker_is_started_with_its_draft_and_a_draft_that_does_not_fit_fails_the_load(store):
    config = EngineConfig(device="cpu", dtype="float32", threads=1)
    drafts = DraftModelMap(store, [("1558M", "124M"), ("124M", "other")])
    registry = Registry(store, config, max_models=2, load_timeout_s=60, retry_load_s=0.1, drafts=drafts)
    try:
        with registry.lease(store.find("1558M")) as worker:
            assert worker.ready.path.endswith("drafts by another model")
        with pytest.raises(LoadFailed, match="vocabularies differ"), registry.lease(store.find("124M")):
            pass
    finally:
        registry.close()
