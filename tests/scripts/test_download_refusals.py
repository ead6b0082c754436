"""Faults of the hub, one repository per case; a single run of the real script covers all of them.

One process handles all names, because most of the time of such a test is process startup. The script continues after
every failure.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from inkwell.checkpoints.catalog import scan
from tests.scripts.checkpoints import command, environment, run, sharded_files, tiny_files, weights
from tests.scripts.hub import Fault, HubImitation, Repository, running_hub

pytestmark = [pytest.mark.slow, pytest.mark.parallel]  # starts processes that need seconds

COMMIT = "0123456789abcdef0123456789abcdef01234567"
RIGHT = tiny_files()
LENGTH = len(RIGHT["model.safetensors"])


@dataclass(frozen=True, slots=True)
class Case:
    """A defect of a repository or a response, and words that the message must contain."""

    words: tuple[str, ...]
    listing: Fault | None = None
    weights: Fault | None = None
    weights_again: Fault | None = None
    config: Fault | None = None
    spoil: Callable[[Repository], None] = lambda repository: None


def replaced(**files: bytes) -> Callable[[Repository], None]:
    return lambda repository: repository.files.update({name.replace("_", "."): data for name, data in files.items()})


def stated(**entry: object) -> Callable[[Repository], None]:
    return lambda repository: repository.stated.update({"model.safetensors": entry})


def shards_without_a_tensor(repository: Repository) -> None:
    repository.files = sharded_files() | {"model-00002-of-00002.safetensors": weights(7, 500)}


def gated(repository: Repository) -> None:
    repository.gate = 401


REFUSALS = {
    "invalid-token": Case(("refused (401)", "HF_TOKEN"), listing=Fault(status=401)),
    "forbidden": Case(("refused (403)", "HF_TOKEN"), listing=Fault(status=403)),
    "gated": Case(("gated (401)", "accept its terms at http://127.0.0.1:", "/acme/gated", "HF_TOKEN"), spoil=gated),
    "gated-for-this-token": Case(
        ("gated (403)", "accept its terms"), listing=Fault(status=403, headers={"X-Error-Code": "GatedRepo"})
    ),
    "private": Case(
        ("has no acme/private, or it is private", "HF_TOKEN"),
        listing=Fault(status=401, headers={"X-Error-Code": "RepoNotFound"}),
    ),
    "too-many": Case(("429", "wait 3600 seconds"), listing=Fault(status=429, headers={"Retry-After": "3600"})),
    "too-many-for-now": Case(("429", "wait some minutes"), listing=Fault(status=429)),
    "in-trouble": Case(("failed (500)", "later"), listing=Fault(status=500)),
    "login-page": Case(("not as a hub does", "proxy"), listing=Fault(content=b"<html>Please log in")),
    "other-json": Case(("not as a hub does",), listing=Fault(content=b'["no model"]')),
    "short-revision": Case(("not as a hub does", "1234"), listing=Fault(content=b'{"id": "acme/x", "sha": "1234"}')),
    "silent": Case(("cannot reach", "HF_ENDPOINT", "demo"), listing=Fault(pause_s=1.3)),
    "listed-only": Case(
        ("model.safetensors", "does not have it"), weights=Fault(status=404, headers={"X-Error-Code": "EntryNotFound"})
    ),
    "expired-link": Case(("model.safetensors", "refused (403)"), weights=Fault(status=403)),
    "dropped": Case(
        ("cannot reach", "300 kB are kept", "run the same command to resume"),
        weights=Fault(drop_after=300_000),
        weights_again=Fault(drop_after=0),
    ),
    "stalled": Case(("cannot reach", "ReadTimeout"), weights=Fault(pause_s=1.3)),
    "other-bytes": Case(
        ("model.safetensors", "checksum", "removed"),
        weights=Fault(content=RIGHT["model.safetensors"][:-1] + b"?"),
    ),
    "other-text": Case(("config.json", "checksum", "removed"), config=Fault(content=RIGHT["config.json"][:-1] + b"?")),
    "too-short": Case(
        (f"model.safetensors is shorter than the {LENGTH:,} bytes", "removed"),
        weights=Fault(content=RIGHT["model.safetensors"][:-1000]),
    ),
    "too-long": Case(
        (f"model.safetensors is longer than the {LENGTH:,} bytes", "removed"),
        weights=Fault(content=RIGHT["model.safetensors"] + b"?"),
    ),
    "truncated": Case(("is not a readable",), spoil=replaced(model_safetensors=weights(0, 1000)[:-7])),
    "pointer": Case(("is not a readable",), spoil=replaced(model_safetensors=b"version https://git-lfs")),
    "lacking": Case(("1 tensors of the index are in no shard", "part2"), spoil=shards_without_a_tensor),
    "foreign": Case(("bert",), spoil=replaced(config_json=json.dumps({"model_type": "bert"}).encode())),
    "no-json": Case(("config.json",), spoil=replaced(config_json=b"<html>")),
    "no-tokenizer": Case(("tokenizer",), spoil=replaced(tokenizer_json=b"{}")),
    "evil-checksum": Case(
        ("not as a hub does",), spoil=stated(lfs={"sha256": "../../../evil", "size": LENGTH, "pointerSize": 1})
    ),
    "no-checksum": Case(("not as a hub does",), spoil=stated(lfs=None, blobId=None)),
    "no-size": Case(("not as a hub does",), spoil=stated(size=None)),
    "negative-size": Case(("not as a hub does",), spoil=stated(size=-1)),
    "huge": Case(
        ("needs 1,000 PB more", "free"),
        spoil=stated(size=10**18, lfs={"sha256": "0" * 64, "size": 10**18, "pointerSize": 134}),
    ),
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """One run over all cases and a name that does not exist."""

    hub: HubImitation
    models: Path
    returncode: int
    stderr: str

    def message(self, name: str) -> str:
        """Return the line that reports the failure of `name`."""
        lines = [line for line in self.stderr.splitlines() if line.startswith(f"download_model: {name}: ")]
        assert len(lines) == 1, self.stderr
        return lines[0]


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    folder = tmp_path_factory.mktemp("refusals")
    with running_hub() as hub:
        for name, case in REFUSALS.items():
            repository = hub.repositories[f"acme/{name}"] = Repository(dict(RIGHT), COMMIT)
            case.spoil(repository)
            places = {
                f"/api/models/acme/{name}": case.listing,
                f"/blobs/acme/{name}/model.safetensors": case.weights_again or case.weights,
                f"/acme/{name}/resolve/{COMMIT}/config.json": case.config,
            }
            if case.weights is not None and case.weights_again is not None:
                hub.faults[f"/blobs/acme/{name}/model.safetensors"] = [case.weights]
            hub.always.update({place: fault for place, fault in places.items() if fault is not None})
        names = [f"acme/{name}" for name in (*REFUSALS, "none")]
        limits = environment(hub.url, folder / "home", HF_HUB_DOWNLOAD_TIMEOUT="1")
        done = run(command(folder / "models", *names, "--retries", "1"), limits)
    return Outcome(hub, folder / "models", done.returncode, done.stderr)


@pytest.mark.parametrize("name", REFUSALS)
def test_each_failure_is_one_line_that_says_what_to_do(outcome: Outcome, name: str) -> None:
    message = outcome.message(name)
    for word in REFUSALS[name].words:
        assert word in message


def test_a_repository_that_does_not_exist_is_said_not_to(outcome: Outcome) -> None:
    assert "has no acme/none" in outcome.message("none")


def test_no_failure_shows_a_traceback_and_all_show_in_the_exit_code(outcome: Outcome) -> None:
    assert "Traceback" not in outcome.stderr
    assert outcome.returncode == 1


def test_no_failure_leaves_a_folder_that_the_registry_would_see(outcome: Outcome) -> None:
    assert scan(outcome.models) == {}
    assert [path.name for path in outcome.models.iterdir()] == [".incoming"]
    assert not list(outcome.models.parent.glob("**/*evil*/*"))


@pytest.mark.parametrize("name", ["other-bytes", "other-text", "too-short", "too-long"])
def test_wrong_content_is_removed(outcome: Outcome, name: str) -> None:
    file = "config.json" if name == "other-text" else "model.safetensors"
    gathering = outcome.models / ".incoming" / name / COMMIT
    assert not [path.name for path in gathering.iterdir() if path.name.startswith(file)]


@pytest.mark.parametrize("name", ["foreign", "no-json", "no-tokenizer"])
def test_a_foreign_checkpoint_is_refused_before_its_weights_are_fetched(outcome: Outcome, name: str) -> None:
    assert outcome.hub.gets(f"/blobs/acme/{name}/model.safetensors") == []


def test_too_little_room_is_noticed_before_the_first_byte(outcome: Outcome) -> None:
    assert not [seen.path for seen in outcome.hub.seen if "/acme/huge/" in seen.path]


def test_what_trying_again_cannot_mend_is_tried_once(outcome: Outcome) -> None:
    asked = [seen.path.rpartition("/")[2] for seen in outcome.hub.seen if seen.path.startswith("/api/")]
    assert asked.count("in-trouble") == asked.count("silent") == asked.count("too-many-for-now") == 2
    assert asked.count("forbidden") == asked.count("gated") == asked.count("too-many") == 1
