"""The body of `/v1/chat/completions`: messages, the template that renders them, and what is refused."""

import pytest

from inkwell.dialects.openai.chat_parameters import Chat, parse_chat
from inkwell.errors import InvalidParameter, RequestError, UnknownParameter, UnsupportedParameter
from inkwell.parameters.transcript import ChatTemplate, Message

HELLO = [{"role": "user", "content": "Hello"}]


def chat(**values: object) -> Chat:
    return parse_chat({"messages": HELLO} | values, ChatTemplate())


def refused(kind: type[RequestError], param: str, **values: object) -> str:
    with pytest.raises(kind) as caught:
        chat(**values)
    assert caught.value.param == param
    return caught.value.message


def test_a_chat_is_its_messages_and_a_request_that_ends_where_the_next_turn_begins():
    asked = chat()
    assert (
        asked.messages == (Message("user", "Hello"),)
        and asked.chat_template == ChatTemplate()
        and not asked.include_usage
    )
    wanted = asked.asking("the transcript")
    task = wanted.task
    assert (wanted.prompts, task.stop, task.trim_start) == (("the transcript",), ("\nUser:", "\nAssistant:"), True)
    assert (task.length, task.sampling.temperature, task.nsamples, task.logprobs) == (None, 1.0, 1, None)


def test_roles_and_forms_of_content():
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    given = [("developer", "x"), ("system", "y"), ("user", parts), ("assistant", "")]
    asked = chat(messages=[{"role": role, "content": content} for role, content in given])
    assert asked.messages == (
        Message("system", "x"), Message("system", "y"), Message("user", "a\nb"), Message("assistant", ""),
    )  # fmt: skip


def test_a_message_may_come_back_as_a_client_got_it():
    nothing = dict.fromkeys(("refusal", "audio", "function_call", "tool_calls", "annotations", "name"))
    asked = chat(messages=[*HELLO, {"role": "assistant", "content": "Hi", **nothing, "tool_calls": []}, *HELLO])
    assert asked.messages[1] == Message("assistant", "Hi")


@pytest.mark.parametrize(
    ("kind", "param", "message"),
    [
        (InvalidParameter, "messages[0]", "Hello"),
        (InvalidParameter, "messages[0].role", {"content": "a"}),
        (InvalidParameter, "messages[0].role", {"role": "bot", "content": "a"}),
        (InvalidParameter, "messages[0].role", {"role": ["user"], "content": "a"}),
        (UnsupportedParameter, "messages[0].role", {"role": "tool", "content": "a", "tool_call_id": "1"}),
        (UnsupportedParameter, "messages[0].role", {"role": "function", "content": "a", "name": "f"}),
        (InvalidParameter, "messages[0].content", {"role": "user"}),
        (InvalidParameter, "messages[0].content", {"role": "user", "content": None}),
        (InvalidParameter, "messages[0].content", {"role": "user", "content": []}),
        (InvalidParameter, "messages[0].content", {"role": "user", "content": "a" * 65_537}),
        (InvalidParameter, "messages[0].content[0]", {"role": "user", "content": ["a"]}),
        (InvalidParameter, "messages[0].content[0]", {"role": "user", "content": [{"type": "text"}]}),
        (InvalidParameter, "messages[0].content[0]", {"role": "user", "content": [{"type": "text", "text": 1}]}),
        (UnsupportedParameter, "messages[0].content[0].type", {"role": "user", "content": [{"type": "image_url"}]}),
        (UnsupportedParameter, "messages[0].name", {"role": "user", "content": "a", "name": "Hans"}),
        (UnsupportedParameter, "messages[0].tool_calls", {"role": "assistant", "content": "a", "tool_calls": [{}]}),
        (UnknownParameter, "messages[0].mood", {"role": "user", "content": "a", "mood": "good"}),
    ],
)
def test_other_messages_are_refused_and_named(kind: type[RequestError], param: str, message: object):
    refused(kind, param, messages=[message])


@pytest.mark.parametrize("given", [None, [], {}, "Hello", 5])
def test_there_must_be_a_list_of_messages(given: object):
    refused(InvalidParameter, "messages", messages=given)


def test_no_error_quotes_what_was_said():
    for content in ("secret" * 20_000, ["secret"], [{"type": "text", "text": "secret", "x": 1}]):
        assert "secret" not in refused_message(content)


def refused_message(content: object) -> str:
    with pytest.raises(RequestError) as caught:
        chat(messages=[{"role": "user", "content": content}])
    return caught.value.message


def test_the_template_of_the_settings_holds_where_the_request_says_nothing():
    chat_template = ChatTemplate("A", "B", "<{name}> {text}", 3, "error")
    assert parse_chat({"messages": HELLO}, chat_template).chat_template == chat_template
    own = {"user_name": "C", "assistant_name": "D", "template": "{name} says {text}", "max_turns": 0}
    asked = parse_chat({"messages": HELLO, **own, "chat_overflow": "drop"}, chat_template)
    assert asked.chat_template == ChatTemplate("C", "D", "{name} says {text}", 0, "drop")
    assert asked.asking("").task.stop == ("\nC says", "\nD says")


def test_the_client_s_four_stops_come_before_the_derived_ones():
    assert chat(stop=["a", "b", "c", "d"]).asking("").task.stop == ("a", "b", "c", "d", "\nUser:", "\nAssistant:")
    refused(InvalidParameter, "stop", stop=["a"] * 5)


@pytest.mark.parametrize(
    ("values", "length", "name"),
    [
        ({}, None, "max_completion_tokens"),
        ({"max_tokens": 5}, 5, "max_tokens"),
        ({"max_completion_tokens": 6}, 6, "max_completion_tokens"),
        ({"max_tokens": 7, "max_completion_tokens": 7}, 7, "max_tokens"),
    ],
)
def test_the_limit_has_two_names(values: dict, length: int | None, name: str):
    asked = chat(**values)
    assert (asked.asking("").task.length, asked.length_name) == (length, name)


def test_two_limits_that_differ_are_refused():
    assert "mean the same" in refused(InvalidParameter, "max_tokens", max_tokens=5, max_completion_tokens=6)


@pytest.mark.parametrize(
    ("values", "reserve"),
    [
        ({}, 256),
        ({"max_tokens": 40}, 40),
        ({"max_tokens": 900}, 900),
        ({"max_tokens": 900, "on_overflow": "slide"}, 256),
        ({"max_tokens": 40, "on_overflow": "slide"}, 40),
    ],
)
def test_what_the_transcript_should_leave_of_the_context(values: dict, reserve: int):
    assert chat(**values).reserve(1024) == reserve


@pytest.mark.parametrize(
    ("values", "logprobs"), [({}, None), ({"logprobs": True}, 0), ({"logprobs": True, "top_logprobs": 20}, 20)]
)
def test_logprobs_have_a_switch_and_a_number(values: dict, logprobs: int | None):
    assert chat(**values).asking("").task.logprobs == logprobs


@pytest.mark.parametrize(
    ("values", "param"),
    [
        ({"top_logprobs": 2}, "top_logprobs"),
        ({"logprobs": True, "top_logprobs": 21}, "top_logprobs"),
        ({"logprobs": 3}, "logprobs"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"user_name": ""}, "user_name"),
        ({"user_name": " "}, "user_name"),
        ({"user_name": "a\nb"}, "user_name"),
        ({"assistant_name": "a" * 65}, "assistant_name"),
        ({"template": "{text}"}, "template"),
        ({"max_turns": -1}, "max_turns"),
        ({"chat_overflow": "slide"}, "chat_overflow"),
        ({"stream_options": {}}, "stream_options"),
    ],
)
def test_values_that_do_not_fit_are_refused(values: dict, param: str):
    refused(InvalidParameter, param, **values)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("tools", [{"type": "function"}]), ("tool_choice", "required"), ("functions", [{}]),
        ("response_format", {"type": "json_object"}), ("modalities", ["text", "audio"]), ("store", True),
        ("metadata", {"a": "b"}), ("reasoning_effort", "low"), ("service_tier", "flex"), ("truncate", 5),
        ("audio", {}), ("prediction", {}), ("store", 0),
    ],
)  # fmt: skip
def test_what_cannot_be_honoured_is_refused_by_name_with_a_reason(name: str, value: object):
    assert refused(UnsupportedParameter, name, **{name: value}).startswith(f"{name} is not supported: ")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("tools", []), ("tool_choice", "none"), ("response_format", {"type": "text"}), ("modalities", ["text"]),
        ("parallel_tool_calls", True), ("store", False), ("metadata", {}), ("service_tier", "auto"), ("tools", None),
        ("user", "me"), ("safety_identifier", "me"), ("reasoning_effort", None),
    ],
)  # fmt: skip
def test_what_asks_for_nothing_passes(name: str, value: object):
    assert chat(**{name: value}) == chat()


@pytest.mark.parametrize("name", ["best_of", "echo", "suffix", "prompt", "sytem"])
def test_an_unknown_field_is_refused(name: str):
    refused(UnknownParameter, name, **{name: 1})
