"""Draft models: chosen by name or alias, and only if both models have the same vocabulary."""

from pathlib import Path

import pytest

from inkwell.engine.contract import EngineConfig
from inkwell.errors import LoadFailed
from inkwell.models.drafts import Drafts
from inkwell.models.model_store import Library
from inkwell.models.registry import Registry
from tests.servable import save_servable, save_tokenizer


@pytest.fixture
def library(tmp_path: Path) -> Library:
    for name in ("1558M", "124M", "longer", "other"):
        save_servable(tmp_path / name)
    save_servable(tmp_path / "longer", vocab_size=260)
    save_tokenizer(tmp_path / "longer", extra_tokens=3)
    file = tmp_path / "other" / "tokenizer.json"
    file.write_text(
        file.read_text().replace('"a":', '"\U0001d51e":').replace('"b":', '"a":').replace('"\U0001d51e":', '"b":')
    )
    return Library(tmp_path)


def folder_of(library: Library, name: str, *pairs: tuple[str, str]) -> str:
    return Drafts(library, pairs).folder_of(library.find(name))


def test_the_named_model_drafts_and_for_no_other(library):
    pair = ("1558M", "124M")
    assert Path(folder_of(library, "1558M", pair)).name == "124M"
    assert folder_of(library, "124M", pair) == ""


def test_aliases_are_understood_on_both_sides(library):
    assert Path(folder_of(library, "1558M", ("gpt2-xl", "gpt2"))).name == "124M"


def test_ids_that_only_one_of_them_has_are_no_difference(library):
    assert Path(folder_of(library, "longer", ("longer", "124M"))).name == "124M"
    assert Path(folder_of(library, "124M", ("124M", "longer"))).name == "longer"


def test_another_vocabulary_is_refused_in_one_sentence(library):
    with pytest.raises(LoadFailed) as caught:
        folder_of(library, "1558M", ("1558M", "other"))
    assert caught.value.message == "other cannot draft for 1558M: their vocabularies differ"


def test_a_draft_that_is_not_there_is_told_by_name(library):
    with pytest.raises(LoadFailed, match="355M, which should draft for 1558M, cannot be used: 355M is not on this"):
        folder_of(library, "1558M", ("1558M", "355M"))


@pytest.mark.slow
def test_a_worker_is_started_with_its_draft_and_a_draft_that_does_not_fit_fails_the_load(library):
    config = EngineConfig(device="cpu", dtype="float32", threads=1)
    drafts = Drafts(library, [("1558M", "124M"), ("124M", "other")])
    registry = Registry(library, config, max_models=2, load_timeout_s=60, retry_load_s=0.1, drafts=drafts)
    try:
        with registry.lease(library.find("1558M")) as worker:
            assert worker.ready.path.endswith("drafts by another model")
        with pytest.raises(LoadFailed, match="vocabularies differ"), registry.lease(library.find("124M")):
            pass
    finally:
        registry.close()
