"""Which files of a repository make a checkpoint."""

import pytest

from scripts.repository import DownloadError, Listing, RemoteFile, choose_files, size_text
from tests.scripts.desk import COMMIT


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ({"config.json", "tokenizer.json"}, "neither complete safetensors nor"),
        ({"config.json", "tokenizer.json", "model-00001-of-00002.safetensors"}, "neither complete safetensors nor"),
        ({"config.json", "tokenizer.json", "pytorch_model-00001-of-00002.bin"}, "neither complete safetensors nor"),
        ({"config.json", "tokenizer.json", "tf_model.h5", "flax_model.msgpack"}, "neither complete safetensors nor"),
        ({"tokenizer.json", "model.safetensors"}, "no config.json"),
        ({"config.json", "vocab.json", "model.safetensors"}, "no tokenizer"),
        ({"sub/config.json", "config.json/..", "tokenizer.json", "model.safetensors"}, "no config.json"),
    ],
)
def test_a_repository_without_a_whole_checkpoint_is_refused(names: set[str], words: str) -> None:
    files = tuple(RemoteFile(name, 1, "0" * 40) for name in sorted(names))
    with pytest.raises(DownloadError, match=words):
        choose_files(Listing("acme/tiny", COMMIT, files))


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1 kB"),
        (548_118_077, "548 MB"),
        (24_207_819_307, "24.2 GB"),
        (10**18, "1,000 PB"),
    ],
)
def test_sizes_are_written_as_people_read_them(size_bytes: int, text: str) -> None:
    assert size_text(size_bytes) == text
