"""Fitting prompts into the context: truncation, the remaining length, and the messages of refusals."""

import pytest

from inkwell.errors import ContextLengthExceeded, InvalidParameter
from inkwell.generation.prompts import FieldNames, fitted, text_lengths
from inkwell.models.model_store import Model
from inkwell.parameters import Generate, GenerationRequest, Inspect, Score
from tests.generation.texts import request_of

NAMES = FieldNames(prompt="inputs", length="max_new_tokens", model="model")


def fit(model: Model, size: int, **wanted: object) -> tuple[int, int, int]:
    """Fit a prompt of `size` distinct tokens; return the tokens kept, to generate and dropped."""
    prompt = tuple(range(1, size + 1))
    request = request_of(prompt, **wanted)
    (found,) = fitted(request, model, NAMES)
    assert found.tokens == prompt[size - len(found.tokens) :]
    (length,) = text_lengths(request.task, [found], model.config.context)
    return len(found.tokens), length, found.dropped_tokens


@pytest.mark.parametrize(
    ("size", "wanted", "found"),
    [
        (3, {}, (3, 8, 0)),
        (12, {}, (12, 4, 0)),  # what the prompt leaves
        (15, {}, (15, 1, 0)),
        (12, {"length": 4}, (12, 4, 0)),
        (30, {"truncate": 5}, (5, 8, 25)),
        (4, {"truncate": 5}, (4, 8, 0)),
        (30, {"on_overflow": "truncate_left"}, (8, 8, 22)),
        (10, {"on_overflow": "truncate_left"}, (8, 8, 2)),
        (7, {"on_overflow": "truncate_left"}, (7, 8, 0)),
        (30, {"on_overflow": "truncate_left", "length": 15}, (1, 15, 29)),
        (30, {"on_overflow": "truncate_left", "truncate": 3, "length": 4}, (3, 4, 27)),
        (30, {"on_overflow": "slide"}, (15, 1, 15)),
        (30, {"on_overflow": "slide", "length": 1000}, (15, 1000, 15)),
        (3, {"on_overflow": "slide", "length": 1000}, (3, 1000, 0)),
    ],
)
def test_a_prompt_is_cut_as_far_as_the_request_allows(
    letters: Model, size: int, wanted: dict, found: tuple[int, int, int]
):
    assert fit(letters, size, **wanted) == found


@pytest.mark.parametrize(
    ("size", "wanted", "param", "message"),
    [
        (16, {}, "inputs", "inputs has 16 tokens; bytes takes 16, and at least one must be generated"),
        (17, {"length": 1}, "inputs", "inputs has 17 tokens; bytes takes 16, and at least one must be generated"),
        (30, {"truncate": 16}, "inputs", "inputs has 16 tokens; bytes takes 16, and at least one must be generated"),
        (12, {"length": 5}, "max_new_tokens",
         "inputs has 12 tokens and max_new_tokens asks for 5 more; bytes takes 16 in all, so max_new_tokens can be 4 "
         "at most"),
        (30, {"length": 16, "on_overflow": "truncate_left"}, "max_new_tokens",
         "inputs has 1 tokens and max_new_tokens asks for 16 more; bytes takes 16 in all, so max_new_tokens can be 15 "
         "at most"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_with_the_numbers(
    letters: Model, size: int, wanted: dict, param: str, message: str
):
    with pytest.raises(ContextLengthExceeded) as caught:
        fit(letters, size, **wanted)
    assert (caught.value.param, caught.value.message) == (param, message)


@pytest.mark.parametrize("task", [Score(), Inspect(1)])
def test_a_prompt_that_nothing_follows_may_fill_the_context(letters: Model, task: Score | Inspect):
    (found,) = fitted(GenerationRequest(((1,) * 16,), task), letters, NAMES)
    assert len(found.tokens) == 16 and text_lengths(task, [found], 16) == []
    with pytest.raises(ContextLengthExceeded, match="^inputs has 17 tokens; bytes takes 16$"):
        fitted(GenerationRequest(((1,) * 17,), task), letters, NAMES)


def test_token_ids_must_be_of_the_vocabulary(letters: Model):
    with pytest.raises(InvalidParameter, match="^inputs holds the token 257; bytes has tokens from 0 to 256$"):
        fitted(request_of((0, 256, 257)), letters, NAMES)


def test_a_prompt_without_a_token_is_refused(letters: Model):
    with pytest.raises(InvalidParameter, match="^inputs has no token in the vocabulary of bytes$"):
        fitted(request_of(()), letters, NAMES)


def test_texts_and_ids_stand_side_by_side_each_with_its_own_room(letters: Model):
    found = fitted(request_of("ab", (1, 2, 3), "x" * 14), letters, NAMES)
    assert [(prompt.number, len(prompt.tokens)) for prompt in found] == [(0, 2), (1, 3), (2, 14)]
    assert text_lengths(Generate(), found, 16) == [8, 8, 2]
    assert (found[1].tokens, found[1].dropped_tokens) == ((1, 2, 3), 0)
    assert found[0].tokens == tuple(letters.tokenizer.encode("ab"))
