"""Keys: client lines, errors in a line, the client of a key, and when no keys are needed."""

import hashlib
import hmac
from pathlib import Path

import pytest

from inkwell.access.keys import ANYONE, Client, Keys, check_exposure, load_keys
from inkwell.errors import SettingsError


def digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def line(name: str = "alice", key: str = "one", rest: str = "infer") -> str:
    return f"{name} {digest(key)} {rest}"


def test_a_file_and_a_variable_are_read_together(tmp_path: Path):
    file = tmp_path / "keys"
    file.write_text(f"# clients\n\n{line('alice', 'one')}   # the first\n{line('bob', 'two', 'admin,infer')}\n")
    keys = load_keys(file, f"{line('carol', 'three', 'admin')}; {line('alice', 'four')};")
    assert keys.configured
    assert keys.find("one") == keys.find("four") == Client("alice", frozenset({"infer"}), "alice")
    assert keys.find("two").scopes == {"infer", "admin"}
    assert keys.find("three").scopes == {"admin"}
    assert len({keys.find(key).cache_salt for key in ("one", "two", "three")} | {ANYONE.cache_salt}) == 4


def test_a_client_may_have_limits_of_its_own():
    keys = load_keys(None, line(rest="infer tokens_per_minute=0 requests_per_minute=5"))
    assert (keys.find("one").requests_per_minute, keys.find("one").tokens_per_minute) == (5, 0)


@pytest.mark.parametrize("presented", ["", "One", "one ", "on", "ones", digest("one"), "\u20ac", "\udc80", "a" * 8_000])
def test_nothing_but_the_key_itself_is_found(presented: str):
    assert load_keys(None, line()).find(presented) is None


@pytest.mark.parametrize("presented", ["first", "second", "third", "none of them"])
def test_every_known_digest_is_compared_whichever_fits(presented: str, monkeypatch: pytest.MonkeyPatch):
    """The response time must reveal neither the position of a key nor whether it is valid."""
    compared = []
    true_compare = hmac.compare_digest
    keys = load_keys(None, ";".join(line(name, name) for name in ("first", "second", "third")))
    monkeypatch.setattr(hmac, "compare_digest", lambda a, b: compared.append(a) or true_compare(a, b))
    found = keys.find(presented)
    assert compared == [hashlib.sha256(name.encode()).digest() for name in ("first", "second", "third")]
    assert (found.name if found else "none of them") == presented


CANARY = "Rohrdommel"
MALFORMED = {
    "two words": f"{CANARY} infer",
    "a key in the place of the digest": f"alice ink-{CANARY} infer",
    "a short digest": f"alice {digest('one')[:-1]} infer {CANARY}",
    "a name that is none": f"{CANARY}! {digest('one')} infer",
    "a name of a hundred letters": f"{CANARY * 10} {digest('one')} infer",
    "an unknown scope": f"alice {digest('one')} infer,{CANARY}",
    "an empty scope": f"alice {digest('one')} infer,",
    "an unknown option": f"alice {digest('one')} infer {CANARY}=1",
    "a limit that is no number": f"alice {digest('one')} infer tokens_per_minute={CANARY}",
    "a limit twice": f"alice {digest('one')} infer tokens_per_minute=1 tokens_per_minute=2 # {CANARY}",
    "the digest of an earlier line": f"bob {digest('known')} infer # {CANARY}",
    "another scope than the client's": f"known {digest('one')} admin # {CANARY}",
    "another limit than the client's": f"known {digest('one')} infer tokens_per_minute=1 # {CANARY}",
}


@pytest.mark.parametrize("case", MALFORMED)
def test_a_malformed_line_is_told_by_its_number_and_never_quoted(case: str, tmp_path: Path):
    file = tmp_path / "keys"
    file.write_text(f"# a comment counts\n{line('known', 'known')}\n{MALFORMED[case]}\n")
    with pytest.raises(SettingsError, match="^INKWELL_KEYS_FILE, line 3 ") as in_file:
        load_keys(file, "")
    with pytest.raises(SettingsError, match="^INKWELL_KEYS, entry 2 ") as in_variable:
        load_keys(None, f"{line('known', 'known')};{MALFORMED[case]}")
    for message in (in_file.value.message, in_variable.value.message):
        assert "\n" not in message and CANARY not in message and digest("one") not in message


def test_two_keys_of_a_client_are_a_rotation_and_three_a_mistake():
    two = ";".join(line(key=key) for key in ("old", "new"))
    keys = load_keys(None, two)
    assert keys.find("old") == keys.find("new") is not None
    with pytest.raises(SettingsError, match="entry 3 is the third key"):
        load_keys(None, f"{two};{line(key='another')}")


@pytest.mark.parametrize("text", ["", "\n\n", "# nobody yet\n"])
def test_a_place_for_keys_that_holds_none_stops_the_start_instead_of_opening_it(text: str, tmp_path: Path):
    file = tmp_path / "keys"
    file.write_text(text)
    with pytest.raises(SettingsError, match="INKWELL_KEYS_FILE holds no key"):
        load_keys(file, "")
    with pytest.raises(SettingsError, match="INKWELL_KEYS holds no key"):
        load_keys(None, " ; # nobody")
    assert not load_keys(None, "").configured


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path):
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    for name, reason in (("absent", "No such file"), (".", "Is a directory"), ("binary", "not a text file")):
        with pytest.raises(SettingsError, match=f"INKWELL_KEYS_FILE.*{reason}") as caught:
            load_keys(tmp_path / name, "")
        assert str(tmp_path) in caught.value.message


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_without_keys_this_machine_alone_is_served(host: str):
    check_exposure(Keys(), host, everybody=False)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "inkwell.example", "localhost.example", "1270.0.0.1"])
def test_another_address_needs_keys_or_the_word_of_the_operator(host: str):
    with pytest.raises(SettingsError, match="INKWELL_KEYS_FILE.*make_key.*INKWELL_OPEN=1") as caught:
        check_exposure(Keys(), host, everybody=False)
    assert host in caught.value.message and "\n" not in caught.value.message
    check_exposure(Keys(), host, everybody=True)
    check_exposure(load_keys(None, line()), host, everybody=False)
