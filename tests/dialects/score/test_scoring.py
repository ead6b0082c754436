"""Which tokens of a prompt and its continuation are scored, where a tokenizer joins them."""

from pathlib import Path

import pytest

from inkwell.checkpoints.catalog import scan
from inkwell.dialects.score.parameters import ScoreRequest
from inkwell.dialects.score.scoring import Part, parts
from inkwell.errors import InvalidParameter
from inkwell.models.model_store import Model, ModelStore
from tests.servable import save_servable

MODELS = Path(__file__).resolve().parents[3] / "models"


@pytest.fixture(scope="module")
def demo() -> Model:
    return ModelStore(MODELS).read(scan(MODELS)["demo"])


def of(prompt: str, *continuations: str) -> ScoreRequest:
    return ScoreRequest(None, None, False, prompt, continuations)


def spelled(part: Part, model: Model) -> list[str]:
    return [model.tokenizer.spelling(token).decode() for token in part.tokens[part.before :]]


@pytest.mark.parametrize(
    ("prompt", "continuation", "tokens"),
    [
        ("The king", " said", [" said"]),
        ("The king ", "said", [" said"]),  # a token that begins in the prompt counts as a whole
        ("The kin", "g said", [" king", " said"]),
        ("The king said", ".", ["."]),
    ],
)
def test_every_token_that_holds_a_byte_of_the_continuation_is_scored(
    demo: Model, prompt: str, continuation: str, tokens: list[str]
):
    (part,) = parts(of(prompt, continuation), demo)
    assert spelled(part, demo) == tokens
    assert list(part.tokens) == demo.tokenizer.encode(prompt + continuation) and not part.prefixed


def test_where_one_continuation_needs_it_all_begin_behind_the_end_of_text(demo: Model):
    joined, apart = parts(of(" ", "king", "\n"), demo)
    assert joined.prefixed and apart.prefixed
    assert joined.tokens[0] == apart.tokens[0] == demo.config.eos_token_id
    assert (spelled(joined, demo), spelled(apart, demo)) == ([" king"], ["\n"])


def test_a_model_without_an_end_of_text_cannot_begin_behind_it(tmp_path: Path):
    save_servable(tmp_path / "endless", eos_token_id=None)
    model = ModelStore(tmp_path).read(scan(tmp_path)["endless"])
    with pytest.raises(InvalidParameter, match="no end-of-text token"):
        parts(of("", "a"), model)
