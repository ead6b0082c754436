"""A draft model: what it reads, what it caches, when it drafts nothing, and that loading sets it up."""

from pathlib import Path

import pytest
import torch

from inkwell.engine.contract import EngineConfig, Job
from inkwell.engine.loading import load_model
from inkwell.engine.sequence import Sequence
from inkwell.engine.speculation.draft_model import DraftModel
from inkwell.engine.speculation.speculation import DraftRequest
from inkwell.parameters.sampling import GREEDY, Sampling
from tests.engine.tiny import TINY, greedy, load_tiny, new_cache, random_tokens, save_tiny

VOCABULARY = TINY["vocab_size"]
CHUNK = 16
pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def decoder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("draft")
    save_tiny(folder)
    return load_tiny(folder)


def sequence(prompt: list[int], slot: int = 0, cache_salt: str = "", temperature: float = 0.0) -> Sequence:
    return Sequence(Job(slot, tuple(prompt), 50, Sampling(temperature), 3, cache_salt=cache_salt), slot)


class Reading:
    """The decoder of a draft model that counts the tokens it is made to read."""

    def __init__(self, decoder) -> None:
        self._decoder, self.config, self.logits, self.tokens = decoder, decoder.config, decoder.logits, 0

    def __call__(self, tokens, segments, cache):
        self.tokens += len(tokens)
        return self._decoder(tokens, segments, cache)


def drafts_of(model: DraftModel, *requests: DraftRequest) -> list[list[int]]:
    return [list(draft) for draft in model.propose(requests)]


def test_it_drafts_what_the_small_model_would_say(decoder):
    model = DraftModel(decoder, new_cache(decoder, 2), 2, CHUNK, VOCABULARY)
    prompts = [random_tokens(9, seed=1), random_tokens(5, seed=2)]
    requests = [DraftRequest(sequence(prompt, slot), 6 - 2 * slot) for slot, prompt in enumerate(prompts)]
    assert drafts_of(model, *requests) == [greedy(decoder, prompts[0], 6), greedy(decoder, prompts[1], 4)]


@pytest.mark.parametrize("right", [0, 2, 5])
def test_it_goes_on_from_what_was_accepted(decoder, right: int):
    reading = Reading(decoder)
    model = DraftModel(reading, new_cache(decoder), 1, CHUNK, VOCABULARY)
    text = sequence(random_tokens(9))
    (draft,) = drafts_of(model, DraftRequest(text, 5))
    text.tokens += [*draft[:right], 7]
    before = reading.tokens
    assert drafts_of(model, DraftRequest(text, 3)) == [greedy(decoder, text.tokens, 3)]
    # what was rejected is not kept; the last draft was never read; two of the three new ones are read on the way
    assert reading.tokens - before == (2 if right == 5 else 1) + 2


def test_a_long_text_is_read_in_pieces_and_all_but_the_end_of_it_before_anything_is_drafted(decoder):
    reading = Reading(decoder)
    model = DraftModel(reading, new_cache(decoder), 1, CHUNK, VOCABULARY)
    text = sequence(random_tokens(3 * CHUNK + 4))
    assert model.unread(text) == 3 * CHUNK + 4
    assert [model.read([text], room) for room in (5, 1000, 1000, 3)] == [5, CHUNK, CHUNK, 3]
    assert (model.unread(text), reading.tokens) == (0, 2 * CHUNK + 8)
    assert drafts_of(model, DraftRequest(text, 2)) == [greedy(decoder, text.tokens, 2)]
    assert reading.tokens == 3 * CHUNK + 4 + 1


def test_several_texts_share_the_room_and_the_last_token_of_each_is_left(decoder):
    reading = Reading(decoder)
    model = DraftModel(reading, new_cache(decoder, 3), 3, 100, VOCABULARY)
    texts = [sequence(random_tokens(size, seed=size), slot) for slot, size in enumerate((20, 1, 30))]
    assert (model.read(texts, 40), model.read(texts, 40), model.read(texts, 40)) == (40, 8, 0)
    drafts = drafts_of(model, *(DraftRequest(text, 3) for text in texts))
    assert drafts == [greedy(decoder, text.tokens, 3) for text in texts]


def test_another_sequence_in_the_slot_reuses_the_beginning_that_both_have_unless_the_salts_differ(decoder):
    for cache_salt, expected in (("", 3), ("other", CHUNK - 1)):
        reading = Reading(decoder)
        model = DraftModel(reading, new_cache(decoder), 1, CHUNK, VOCABULARY)
        prompt = random_tokens(CHUNK - 1)
        drafts_of(model, DraftRequest(sequence(prompt), 1))
        other = [*prompt[:-3], 1, 2, 3]
        before = reading.tokens
        assert drafts_of(model, DraftRequest(sequence(other, cache_salt=cache_salt), 1)) == [greedy(decoder, other, 1)]
        assert reading.tokens - before == expected


def test_it_drafts_nothing_for_tokens_and_lengths_that_it_does_not_have(decoder):
    model = DraftModel(decoder, new_cache(decoder), 1, 200, VOCABULARY)
    context, vocab = decoder.config.context, decoder.config.vocab_size
    assert drafts_of(model, DraftRequest(sequence([1, vocab]), 2)) == [[]]
    assert model.unread(sequence([vocab] * 40)) == model.unread(sequence([1] * context)) == 0  # nor does it read them
    assert drafts_of(model, DraftRequest(sequence(random_tokens(context - 1)), 2)) == [[]]
    assert len(drafts_of(model, DraftRequest(sequence(random_tokens(context - 2)), 2))[0]) == 2


def test_it_draws_with_the_numbers_that_the_large_model_draws_with(decoder):
    first, second = (DraftModel(decoder, new_cache(decoder), 1, CHUNK, VOCABULARY) for _ in range(2))
    text = sequence([4, 5, 6], temperature=0.9)
    (whole,) = drafts_of(first, DraftRequest(text, 8))
    one_by_one = []
    for _ in range(8):
        (draft,) = drafts_of(second, DraftRequest(text, 1))
        text.tokens += draft
        one_by_one += draft
    assert whole == one_by_one and len(set(whole)) > 2


def test_damaged_weights_of_a_small_model_end_nothing(decoder):
    class Failing(Reading):
        def __call__(self, tokens, segments, cache):
            return self._decoder(tokens, segments, cache) * torch.nan

    assert (
        len(
            drafts_of(
                DraftModel(Failing(decoder), new_cache(decoder), 1, CHUNK, VOCABULARY), DraftRequest(sequence([1]), 3)
            )[0]
        )
        == 3
    )


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "drafts by prompt lookup"),
        ({"speculation": "off"}, "no drafts"),
        ({"draft_folder": "small"}, "drafts by another model"),
        ({"draft_folder": "small", "speculation": "off"}, "no drafts"),
    ],
)
def test_a_load_says_how_it_guesses_ahead_and_gives_the_same_text(tmp_path: Path, changes: dict, words: str):
    save_tiny(tmp_path / "large")
    save_tiny(tmp_path / "small", n_layer=1)
    changes = {key: str(tmp_path / value) if key == "draft_folder" else value for key, value in changes.items()}
    loaded = load_model(tmp_path / "large", EngineConfig(device="cpu", dtype="float32", threads=1, **changes))
    assert loaded.path.endswith(words)
    loaded.engine.submit(Job(1, (3, 1, 4), 40, GREEDY))
    tokens = []
    while loaded.engine.has_work:
        tokens += [event.token for event in loaded.engine.step()]
    assert tokens == greedy(load_tiny(tmp_path / "large"), [3, 1, 4], 40)


def test_a_draft_model_with_spare_rows_proposes_no_token_that_the_large_one_does_not_have(tmp_path: Path) -> None:
    save_tiny(tmp_path)
    decoder = load_tiny(tmp_path)
    for large in (5, 40):
        model = DraftModel(decoder, new_cache(decoder), 1, CHUNK, large)
        drafts = drafts_of(model, DraftRequest(sequence([1, 2, 3]), 6))[0]
        assert len(drafts) == 6 and max(drafts) < large
