"""Transcripts: how a conversation is rendered, and which messages are dropped if it is too long."""

import random

import pytest

from inkwell.parameters.transcript import TEMPLATE, ChatTemplate, Message, check_template, render_transcript

AMPLE = 10**9
SYSTEM = Message("system", "A wood.")


def said(*texts: str) -> list[Message]:
    """Messages by turns, the user's first."""
    return [Message("assistant" if place % 2 else "user", text) for place, text in enumerate(texts)]


def written(messages: list[Message], chat_template: ChatTemplate | None = None, room: int = AMPLE) -> tuple[str, int]:
    transcript = render_transcript(messages, chat_template or ChatTemplate(), len, room)
    return transcript.text, transcript.dropped_messages


def test_a_conversation_becomes_a_transcript_that_waits_for_the_assistant():
    text, dropped = written([SYSTEM, *said("Who are you?", "A fairy.", "Really?")])
    assert text == "A wood.\n\nUser: Who are you?\nAssistant: A fairy.\nUser: Really?\nAssistant:"
    assert dropped == 0


def test_without_a_system_text_the_first_turn_comes_first():
    assert written(said("Hello"))[0] == "User: Hello\nAssistant:"


def test_what_the_system_says_stands_on_top_wherever_it_was_said():
    messages = [SYSTEM, *said("Hello", "Hi"), Message("system", " Be brief.\n"), Message("user", "Why?")]
    assert written(messages)[0] == "A wood.\n\nBe brief.\n\nUser: Hello\nAssistant: Hi\nUser: Why?\nAssistant:"


def test_a_system_text_alone_is_enough():
    assert written([SYSTEM])[0] == "A wood.\n\nAssistant:"


def test_white_space_around_a_text_is_left_out_and_that_within_it_stays():
    assert written(said("  a\n b \n"))[0] == "User: a\n b\nAssistant:"


def test_an_empty_text_leaves_no_space_behind_the_name():
    assert written(said("", "", "a"))[0] == "User:\nAssistant:\nUser: a\nAssistant:"


def test_two_messages_of_one_side_and_a_greeting_are_written_as_they_came():
    messages = [Message("assistant", "Welcome."), Message("user", "a"), Message("user", "b")]
    assert written(messages)[0] == "Assistant: Welcome.\nUser: a\nUser: b\nAssistant:"


def test_names_stand_in_the_transcript_and_in_the_stops():
    chat_template = ChatTemplate("Hans", "Grethel")
    assert written(said("Hello"), chat_template)[0] == "Hans: Hello\nGrethel:"
    assert chat_template.stops == ("\nHans:", "\nGrethel:")


def test_a_template_writes_messages_and_stops():
    chat_template = ChatTemplate(template="### {name}:\n{text}</s>\n")
    assert written(said("Hello"), chat_template)[0] == "### User:\nHello</s>\n\n### Assistant:"
    assert chat_template.stops == ("\n### User:", "\n### Assistant:", "</s>")


def test_braces_in_names_and_texts_are_nothing_special():
    chat_template = ChatTemplate("{text}", "{0}")
    assert written(said("{name} {text} {x"), chat_template)[0] == "{text}: {name} {text} {x\n{0}:"


@pytest.mark.parametrize(
    "template", ["", "{name}", "{text}", "{text} {name}", "{name}{name}{text}", "{name}{text}{text}"]
)
def test_a_template_without_name_before_text_is_refused(template: str):
    with pytest.raises(ValueError, match=r"^must hold \{name\} once"):
        check_template(template)


def test_a_template_may_be_200_characters_long():
    assert check_template(TEMPLATE + "x" * (200 - len(TEMPLATE)))
    with pytest.raises(ValueError, match="^must be at most 200"):
        check_template(TEMPLATE + "x" * 200)


@pytest.mark.parametrize(
    ("turns", "first", "dropped"), [(0, "a", 0), (1, "c", 4), (2, "b", 2), (3, "a", 0), (9, "a", 0)]
)
def test_max_turns_keeps_the_newest_rounds(turns: int, first: str, dropped: int):
    text, count = written([SYSTEM, *said("a", "A", "b", "B", "c")], ChatTemplate(max_turns=turns))
    assert text.startswith(f"A wood.\n\nUser: {first}\n") and count == dropped
    assert text.endswith("User: c\nAssistant:")


def test_a_round_goes_with_all_its_messages():
    messages = [Message("user", "a"), Message("user", "b"), Message("assistant", "A"), *said("c")]
    assert written(messages, ChatTemplate(max_turns=1)) == ("User: c\nAssistant:", 3)


def test_the_oldest_rounds_make_room_and_no_more_than_must():
    messages = [SYSTEM, *said("a", "A", "b", "B", "c")]
    full, without_a, without_b = (written(messages, ChatTemplate(max_turns=turns))[0] for turns in (0, 2, 1))
    assert written(messages, room=len(full)) == (full, 0)
    assert written(messages, room=len(full) - 1) == (without_a, 2)
    assert written(messages, room=len(without_a)) == (without_a, 2)
    assert written(messages, room=len(without_a) - 1) == (without_b, 4)


@pytest.mark.parametrize("room", [0, -5, 1])
def test_the_system_text_and_the_last_round_stay_whatever_the_room(room: int):
    assert written([SYSTEM, *said("a", "A", "b")], room=room) == ("A wood.\n\nUser: b\nAssistant:", 2)


def test_with_error_nothing_is_dropped_for_room():
    assert written(said("a", "A", "b"), ChatTemplate(overflow="error"), room=1)[1] == 0


def test_it_fits_as_well_where_parts_count_less_than_the_whole():
    def count(text: str) -> int:
        return len(text) + 3 * text.count("\n")  # line breaks make the whole longer than the sum of its parts

    messages = said(*["word"] * 21)
    for room in range(20, 400, 7):
        transcript = render_transcript(messages, ChatTemplate(), count, room)
        assert count(transcript.text) <= room or transcript.dropped_messages == 20


def test_a_long_history_is_not_tokenised_as_a_whole():
    counted: list[int] = []

    def count(text: str) -> int:
        counted.append(len(text))
        return len(text)

    render_transcript(said(*["x" * 100] * 2001), ChatTemplate(), count, 1000)
    assert sum(counted) < 5000


def test_whatever_is_said_the_transcript_keeps_order_and_ends_in_the_cue():
    dice = random.Random(4)
    for _ in range(200):
        roles = dice.choices(["user", "assistant"], k=dice.randint(1, 12))
        messages = [Message(role, f"m{place:02}") for place, role in enumerate(roles)]
        text, dropped = written(messages, ChatTemplate(max_turns=dice.randint(0, 4)), dice.randint(1, 200))
        kept = [message.text for message in messages[dropped:]]
        assert [line.partition(": ")[2] for line in text.splitlines()] == [*kept, ""]
