"""The state of a prompt: its tokens with their offsets, and the results that the engine reports for them."""

from hypothesis import given
from hypothesis import strategies as st

from inkwell.dialects.tokens.token_spans import spans
from inkwell.engine.contract import PromptEvent, TokenEvent
from inkwell.generation.prompt_state import PromptState
from inkwell.models.model_store import Model


def state_of(model: Model, text: str) -> PromptState:
    return PromptState(0, model.tokenizer.encode(text), 0, model.tokenizer)


def test_a_prompt_collects_its_log_probabilities(letters: Model):
    prompt = state_of(letters, "abc")
    prompt.note(PromptEvent(0, 1, (-0.5,), (((7, -0.25),),)))
    prompt.note(PromptEvent(0, 2, (-1.5,), ((),)))
    assert prompt.text == "abc"
    found = [(token.text, token.offset, token.logprob, token.top) for token in prompt.text_tokens()]
    assert found == [("a", 0, None, ()), ("b", 1, -0.5, ((7, -0.25),)), ("c", 2, -1.5, ())]


def test_the_first_token_event_ends_what_is_computed_of_a_prompt(letters: Model):
    prompt = state_of(letters, "abc")
    prompt.note(PromptEvent(0, 1, (-0.5, -0.5), ((), ())))
    assert not prompt.computed
    prompt.note(TokenEvent(0, 5, None, cached_tokens=2))
    prompt.note(TokenEvent(0, 6, None))  # later events count no cached tokens
    assert (prompt.computed, prompt.cached_tokens) == (True, 2)


@given(text=st.text("aé世😀 \n", min_size=1, max_size=20))
def test_tokens_of_any_prompt_have_the_offsets_of_their_spelling(words: Model, text: str):
    prompt = state_of(words, text)
    found = [(token.id, token.offset) for token in prompt.text_tokens()]
    assert found == [(span.id, span.start) for span in spans(prompt.tokens, words.tokenizer)]
