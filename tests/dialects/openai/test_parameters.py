"""Whatever JSON object is sent to OpenAI's endpoints, it becomes a valid request or is refused with a short message."""

from hypothesis import given
from hypothesis import strategies as st

from inkwell.dialects.openai import chat_parameters as chat
from inkwell.dialects.openai import completion_parameters as completions
from inkwell.errors import RequestError
from inkwell.parameters import Generate, GenerationRequest, Score
from inkwell.parameters.transcript import ChatTemplate, render_transcript

ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
MESSAGE = st.fixed_dictionaries(
    {"role": st.sampled_from(["system", "developer", "user", "assistant", "tool"]) | ANY_JSON},
    optional={"content": st.text() | ANY_JSON, "name": ANY_JSON, "tool_calls": ANY_JSON, "refusal": ANY_JSON},
)


def bodies(names: list[str], **likely: st.SearchStrategy) -> st.SearchStrategy[dict]:
    fields = st.dictionaries(st.sampled_from(names) | st.text(max_size=8), ANY_JSON, max_size=4)
    return st.builds(lambda extra, more: more | extra, st.fixed_dictionaries({}, optional=likely), fields)


def check(request: GenerationRequest[Generate | Score]) -> None:
    assert all(prompt for prompt in request.prompts)
    task = request.task
    if isinstance(task, Score):
        assert task.prompt_logprobs is None or 0 <= task.prompt_logprobs <= 5
        return
    assert task.length is None or 1 <= task.length <= 8192
    assert 0 <= task.sampling.temperature <= 2 and 0 < task.sampling.top_p <= 1 and task.sampling.top_k >= 0
    assert 1 <= task.nsamples <= 16 and (task.best_of is None or task.best_of >= task.nsamples)
    assert all(stop for stop in task.stop)
    assert task.logprobs is None or 0 <= task.logprobs <= 20


@given(bodies([row.name for row in completions.PARAMETERS], prompt=ANY_JSON, echo=st.booleans()))
def test_any_body_of_a_completion(values: dict):
    try:
        check(completions.parse_completion(values).request)
    except RequestError as error:
        assert error.message and len(error.message) < 800 and "\n" not in error.message


@given(
    bodies([row.name for row in chat.PARAMETERS], messages=st.lists(MESSAGE, max_size=4), max_turns=st.integers(0, 3))
)
def test_any_body_of_a_chat(values: dict):
    try:
        asked = chat.parse_chat(values, ChatTemplate())
        transcript = render_transcript(asked.messages, asked.chat_template, len, 50)
        assert 0 <= transcript.dropped_messages < len(asked.messages) or not transcript.dropped_messages
        check(asked.asking(transcript.text))
    except RequestError as error:
        assert error.message and len(error.message) < 800 and "\n" not in error.message
