"""A conversation rendered as a transcript, which a base model, one without training for chat, can continue.

    the system messages

    User: a question
    Assistant: an answer
    User: another question
    Assistant:

Takes messages and gives text; drops the oldest rounds of a conversation that is too long. Knows no HTTP and no model:
a function counts the tokens of a text.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

Role = Literal["system", "user", "assistant"]
NAME, TEXT = "{name}", "{text}"
TEMPLATE = f"{NAME}: {TEXT}"
MOST_TEMPLATE_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class Message:
    """One message; those of the system go to the top of the transcript."""

    role: Role
    text: str


Round = list[Message]  # the user's messages and the assistant's replies to them


@dataclass(frozen=True, slots=True)
class ChatTemplate:
    """How to render a conversation, and how much of it. A `max_turns` of 0 means all rounds."""

    user: str = "User"
    assistant: str = "Assistant"
    template: str = TEMPLATE  # of one message
    max_turns: int = 0
    overflow: Literal["drop", "error"] = "drop"

    @property
    def stops(self) -> tuple[str, ...]:
        """Strings by which the model begins the next message: heads of messages, and the end of the template."""
        heads = (f"\n{self._head(name).strip()}" for name in (self.user, self.assistant))
        return tuple(dict.fromkeys(stop for stop in (*heads, self._tail.strip()) if stop))

    def write(self, system: str, rounds: Sequence[Round]) -> str:
        """The transcript, up to where the assistant's next message begins."""
        turns = [self._turn(message) for each in rounds for message in each]
        # White space before the answer would be half of its first token, which begins with a space.
        cue = self._head(self.assistant).rstrip()
        return (f"{system}\n\n" if system else "") + "\n".join([*turns, cue])

    def written(self, round: Round) -> str:
        """The text that a round adds to a transcript beginning with the next one."""
        return "".join(f"{self._turn(message)}\n" for message in round)

    @property
    def _tail(self) -> str:
        return self.template.partition(TEXT)[2]

    def _head(self, name: str) -> str:
        return self.template.partition(TEXT)[0].replace(NAME, name)

    def _turn(self, message: Message) -> str:
        head = self._head(self.user if message.role == "user" else self.assistant)
        text = message.text.strip()
        return f"{head if text else head.rstrip()}{text}{self._tail}"


@dataclass(frozen=True, slots=True)
class Transcript:
    """A text to continue, and how many messages it leaves out."""

    text: str
    dropped_messages: int


def render_transcript(
    messages: Sequence[Message], template: ChatTemplate, count_tokens: Callable[[str], int], room: int
) -> Transcript:
    """Render a conversation in at most `room` tokens, where that is possible.

    Drops the oldest rounds, but never system messages nor the last round, which alone may exceed `room`.
    """
    system = "\n\n".join(text for message in messages if message.role == "system" and (text := message.text.strip()))
    rounds = _rounds([message for message in messages if message.role != "system"])
    kept = rounds[-template.max_turns :]  # [-0:] is all
    if template.overflow == "drop":
        kept = kept[_first_kept(system, kept, template, count_tokens, room) :]
    dropped = rounds[: len(rounds) - len(kept)]
    return Transcript(template.write(system, kept), sum(map(len, dropped)))


def _rounds(messages: Sequence[Message]) -> list[Round]:
    rounds: list[Round] = []
    for message in messages:
        if not rounds or (message.role == "user" and rounds[-1][-1].role == "assistant"):
            rounds.append([])
        rounds[-1].append(message)
    return rounds


def _first_kept(
    system: str, rounds: Sequence[Round], template: ChatTemplate, count_tokens: Callable[[str], int], room: int
) -> int:
    """Index of the first round from which on the transcript fits; that of the last one if it never does."""
    last = max(len(rounds) - 1, 0)
    first, left = last, room - count_tokens(template.write(system, rounds[last:]))
    # From the newest to the oldest, each round once: a long history costs no more than what of it fits.
    while first > 0 and (left := left - count_tokens(template.written(rounds[first - 1]))) >= 0:
        first -= 1
    # Parts may have fewer tokens than the whole, where a vocabulary joins what the parts separate.
    while first < last and count_tokens(template.write(system, rounds[first:])) > room:
        first += 1
    return first


def check_template(text: str) -> str:
    """The template, unchanged; raises ValueError with a reason that begins with "must"."""
    head, found, tail = text.partition(TEXT)
    if not found or head.count(NAME) != 1 or NAME in tail or TEXT in tail:
        raise ValueError(f"must hold {NAME} once and, after it, {TEXT} once")
    if len(text) > MOST_TEMPLATE_CHARACTERS:
        raise ValueError(f"must be at most {MOST_TEMPLATE_CHARACTERS} characters long")
    return text
