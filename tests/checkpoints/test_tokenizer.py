"""The tokenizer: text to ids and back, incrementally, for any text and any ids."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from tokenizers.trainers import BpeTrainer

from inkwell.checkpoints.tokenizer import END_OF_TEXT, TextTokenizer, load_tokenizer
from inkwell.errors import ModelCorrupt

SAMPLES = ["once upon a time there was a king", "naïve café 你好 😀😀", "100% \n\n\t…"]
TRICKY = [
    "😀", "👩‍👩‍👧‍👦", "🇫🇮", "你好，世界", "مرحبا \u202e שלום", "e\u0301 é", "\0", "a\0b", "\ufffd", "\ue000\U0010ffff",
    "  two  spaces  ", "\r\n\n", END_OF_TEXT, f"x{END_OF_TEXT}{END_OF_TEXT} y", "<|endoftext", "\x7f\x80\xad", "ſ ﬁ ½",
]  # fmt: skip
text = st.text(st.characters(codec="utf-8")) | st.sampled_from(TRICKY)


def trained() -> Tokenizer:
    """A byte-level tokenizer like GPT-2's, with merges, so that tokens may be longer or shorter than characters."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = BpeTrainer(vocab_size=300, special_tokens=[END_OF_TEXT], initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(SAMPLES * 3, trainer)
    return tokenizer


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tokenizer")
    trained().save(str(folder / "tokenizer.json"))
    return folder


@pytest.fixture(scope="module")
def tokenizer(folder: Path) -> TextTokenizer:
    return load_tokenizer(folder)


@pytest.fixture(scope="module")
def library(folder: Path) -> Tokenizer:
    """The oracle: the library's own decoding of all ids at once."""
    return Tokenizer.from_file(str(folder / "tokenizer.json"))


def decoded_parts(tokenizer: TextTokenizer, ids: list[int]) -> list[str]:
    decoder = tokenizer.decoder()
    return [*(decoder.push(token) for token in ids), decoder.finish()]


@given(text)
def test_any_text_comes_back_whole_and_in_pieces(tokenizer: TextTokenizer, library: Tokenizer, text: str):
    ids = tokenizer.encode(text)
    assert "".join(decoded_parts(tokenizer, ids)) == library.decode(ids, skip_special_tokens=False) == text


@given(text.filter(lambda text: "\ufffd" not in text))
def test_no_piece_of_a_whole_text_shows_a_broken_character(tokenizer: TextTokenizer, text: str):
    assert not any("\ufffd" in part for part in decoded_parts(tokenizer, tokenizer.encode(text)))


@given(st.lists(st.integers(0, 299), max_size=40))
def test_any_ids_give_in_pieces_what_they_give_at_once(tokenizer: TextTokenizer, library: Tokenizer, ids: list[int]):
    assert "".join(decoded_parts(tokenizer, ids)) == library.decode(ids, skip_special_tokens=False)


def test_an_emoji_appears_with_its_last_byte(tokenizer: TextTokenizer):
    library_ids = {token: index for token, index in trained().get_vocab().items()}
    ids = [library_ids[character] for character in "ðŁĺĢ"]  # F0 9F 98 80, each in its own token
    assert decoded_parts(tokenizer, ids) == ["", "", "", "😀", ""]


def test_half_a_character_at_the_end_is_told_once(tokenizer: TextTokenizer):
    ids = [trained().get_vocab()[character] for character in "ðŁ"]
    assert decoded_parts(tokenizer, ids) == ["", "", "\ufffd"]


def test_the_end_of_text_is_one_token_and_reads_as_itself(tokenizer: TextTokenizer):
    assert tokenizer.encode(END_OF_TEXT) == [0]
    assert decoded_parts(tokenizer, [0]) == [END_OF_TEXT, ""]


def test_ids_beyond_the_vocabulary_have_no_text(tokenizer: TextTokenizer):
    assert decoded_parts(tokenizer, [tokenizer.highest_id + 1, 10**6]) == ["", "", ""]


@given(text)
def test_the_spellings_of_the_tokens_of_a_text_are_its_bytes(tokenizer: TextTokenizer, text: str):
    assert b"".join(map(tokenizer.spelling, tokenizer.encode(text))) == text.encode()


def test_ids_beyond_the_vocabulary_have_no_spelling(tokenizer: TextTokenizer):
    assert tokenizer.spelling(tokenizer.highest_id + 1) == tokenizer.spelling(10**6) == b""


def test_decoders_do_not_share_what_they_hold_back(tokenizer: TextTokenizer):
    first, second = tokenizer.decoder(), tokenizer.decoder()
    first.push(trained().get_vocab()["ð"])
    assert second.push(tokenizer.encode("a")[0]) == "a"


@pytest.mark.parametrize("sample", TRICKY + SAMPLES)
def test_vocabulary_and_merges_give_the_same_as_tokenizer_json(folder: Path, tmp_path: Path, sample: str):
    from_one_file = load_tokenizer(folder)
    Tokenizer.from_file(str(folder / "tokenizer.json")).model.save(str(tmp_path))
    from_two_files = load_tokenizer(tmp_path)
    ids = from_one_file.encode(sample)
    assert from_two_files.encode(sample) == ids
    assert decoded_parts(from_two_files, ids) == decoded_parts(from_one_file, ids)


def test_truncation_and_padding_of_the_file_are_ignored(tmp_path: Path):
    saved = trained()
    saved.enable_truncation(5)
    saved.enable_padding(length=50)
    saved.save(str(tmp_path / "tokenizer.json"))
    assert load_tokenizer(tmp_path).encode("a b c d e f g") == load_encoded("a b c d e f g")


def load_encoded(text: str) -> list[int]:
    return trained().encode(text).ids


def test_a_long_text_is_encoded_in_a_moment(tokenizer: TextTokenizer):
    assert len(tokenizer.encode("a" * 65_536)) <= 65_536


def damaged(change: str) -> str:
    """The text of a tokenizer.json with one defect."""
    value = json.loads(trained().to_str())
    vocabulary = value["model"]["vocab"]
    if change == "foreign alphabet":
        vocabulary["▁once"] = 300
    elif change == "absurd id":
        vocabulary["a" * 20] = 4_000_000_000
    elif change == "affix":
        value["model"]["continuing_subword_prefix"] = "\N{GRINNING FACE}"
    elif change == "merge without token":
        value["model"]["merges"].append(["zz", "zz"])
    return json.dumps(value)


@pytest.mark.parametrize("change", ["foreign alphabet", "absurd id", "affix", "merge without token"])
def test_a_file_with_a_wrong_vocabulary_is_a_corrupt_model(tmp_path: Path, change: str):
    (tmp_path / "tokenizer.json").write_text(damaged(change))
    with pytest.raises(ModelCorrupt, match="tokenizer") as caught:
        load_tokenizer(tmp_path)
    assert caught.value.cause.startswith(tmp_path.name) and "MemoryError" not in repr(caught.value.__cause__)


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"not json", b"\xff\xfe", b'{"version": "1.0", "model": null}', b"[" * 10_000]
)
def test_a_damaged_file_is_a_corrupt_model(tmp_path: Path, content: bytes):
    (tmp_path / "tokenizer.json").write_bytes(content)
    with pytest.raises(ModelCorrupt):
        load_tokenizer(tmp_path)


@pytest.mark.parametrize(
    ("vocabulary", "merges"),
    [(None, "#version: 0.2\n"), ('{"a": 0}', None), ("not json", ""), ('{"a": 0}', "x y\n"), ('{"a": -1}', "")],
)
def test_damaged_vocabulary_or_merges_are_a_corrupt_model(tmp_path: Path, vocabulary: str | None, merges: str | None):
    for name, content in (("vocab.json", vocabulary), ("merges.txt", merges)):
        if content is not None:
            (tmp_path / name).write_text(content)
    with pytest.raises(ModelCorrupt):
        load_tokenizer(tmp_path)
