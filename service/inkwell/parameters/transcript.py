"""Renders a conversation as a transcript that a model without chat training can continue.

    the system message

    User: a question
    Assistant: an answer
    User: another question
    Assistant:

Takes messages, returns text, and drops the oldest rounds of a conversation that is too long. Knows no HTTP and no
model: the caller passes a function that counts tokens.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

Role = Literal["system", "user", "assistant"]
NAME, TEXT = "{name}", "{text}"
TEMPLATE = f"{NAME}: {TEXT}"
MAX_TEMPLATE_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class Message:
    """One message; system messages go to the start of the transcript."""

    role: Role
    text: str


Round = list[Message]  # the user's messages up to and including the assistant's reply


@dataclass(frozen=True, slots=True)
class ChatTemplate:
    """The format of a transcript, and how many rounds it keeps; `max_turns` 0 keeps all."""

    user: str = "User"
    assistant: str = "Assistant"
    template: str = TEMPLATE  # of one message
    max_turns: int = 0
    overflow: Literal["drop", "error"] = "drop"

    @property
    def stops(self) -> tuple[str, ...]:
        """Stop strings that end the reply: the beginnings of further messages, and the end of the template."""
        heads = (f"\n{self._head(name).strip()}" for name in (self.user, self.assistant))
        return tuple(dict.fromkeys(stop for stop in (*heads, self._tail.strip()) if stop))

    def render(self, system: str, rounds: Sequence[Round]) -> str:
        """The transcript, up to the beginning of the assistant's next message."""
        turns = [self._turn(message) for each in rounds for message in each]
        # No trailing white space: the first token of the reply usually begins with a space itself.
        cue = self._head(self.assistant).rstrip()
        return (f"{system}\n\n" if system else "") + "\n".join([*turns, cue])

    def render_round(self, round: Round) -> str:
        """The text that an earlier round adds to a transcript."""
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
    """The text to continue, and the number of messages left out."""

    text: str
    dropped_messages: int


def render_transcript(
    messages: Sequence[Message], template: ChatTemplate, count_tokens: Callable[[str], int], room: int
) -> Transcript:
    """Render the conversation within `room` tokens by dropping the oldest rounds.

    The system messages and the last round are always kept, so the result may still be too long.
    """
    system = "\n\n".join(text for message in messages if message.role == "system" and (text := message.text.strip()))
    rounds = _rounds([message for message in messages if message.role != "system"])
    kept = rounds[-template.max_turns :]  # [-0:] keeps all
    if template.overflow == "drop":
        kept = kept[_first_kept(system, kept, template, count_tokens, room) :]
    dropped = rounds[: len(rounds) - len(kept)]
    return Transcript(template.render(system, kept), sum(map(len, dropped)))


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
    """Index of the first round to keep so that the transcript fits; that of the last round if none fits."""
    last = max(len(rounds) - 1, 0)
    first, left = last, room - count_tokens(template.render(system, rounds[last:]))
    # From the newest to the oldest, counting each round once, so that a long history costs no more than what fits.
    while first > 0 and (left := left - count_tokens(template.render_round(rounds[first - 1]))) >= 0:
        first -= 1
    # Rounds counted separately may have fewer tokens than together, where a merge depends on the text around it.
    while first < last and count_tokens(template.render(system, rounds[first:])) > room:
        first += 1
    return first


def check_template(text: str) -> str:
    """Return a valid template unchanged; raises ValueError with a reason that begins with "must"."""
    head, found, tail = text.partition(TEXT)
    if not found or head.count(NAME) != 1 or NAME in tail or TEXT in tail:
        raise ValueError(f"must hold {NAME} once, followed by {TEXT} once")
    if len(text) > MAX_TEMPLATE_CHARACTERS:
        raise ValueError(f"must be at most {MAX_TEMPLATE_CHARACTERS} characters long")
    return text
