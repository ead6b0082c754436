"""The workloads never change, and their prompts have exactly the stated number of tokens."""

from pathlib import Path

import pytest

from inkwell.checkpoints.tokenizer import load_tokenizer
from scripts.benchmark.checkpoint import linked_checkpoint, random_checkpoint
from scripts.benchmark.exchange import Record, Request
from scripts.benchmark.options import parse_options
from scripts.benchmark.prompts import Prompts
from scripts.benchmark.traffic import closed_loop, send, timetable
from scripts.benchmark.vocabulary import write_tokenizer
from scripts.benchmark.workloads import FULL, NAMES, QUICK, Size, crowd_sizes, poisson_sizes, workloads

DEMO = Path(__file__).resolve().parents[2] / "models" / "demo"


def test_w1_and_w2_are_what_the_tables_say() -> None:
    w1, w2 = workloads(["w1", "w2"], [16], 1.0, FULL)
    assert (w1.sizes, w1.clients) == ((Size(32, 128),), 1)
    assert (w2.sizes, w2.clients) == ((Size(896, 1),), 1)


def test_w3_draws_the_same_sixty_four_requests_for_ever() -> None:
    sizes = crowd_sizes(FULL)
    assert [(size.prompt_tokens, size.new_tokens) for size in sizes[:4]] == [
        (232, 130),
        (210, 139),
        (26, 98),
        (146, 156),
    ]
    assert (len(sizes), sum(size.prompt_tokens for size in sizes)) == (64, 9936)
    assert sum(size.new_tokens for size in sizes) == 8801
    assert all(16 <= size.prompt_tokens <= 256 and 32 <= size.new_tokens <= 256 for size in sizes)


def test_w3_runs_once_for_each_number_of_clients() -> None:
    found = workloads(["w3"], [16, 32, 64], 1.0, FULL)
    assert [(workload.name, workload.clients) for workload in found] == [("w3-16", 16), ("w3-32", 32), ("w3-64", 64)]
    assert len({workload.sizes for workload in found}) == 1


def test_poisson_is_w3_with_arrivals_at_the_rate() -> None:
    sizes = poisson_sizes(FULL, 2.0)
    assert [size.prompt_tokens for size in sizes] == [size.prompt_tokens for size in crowd_sizes(FULL)]
    pauses = [later.at_s - earlier.at_s for earlier, later in zip(sizes, sizes[1:], strict=False)]
    assert sizes[0].at_s == 0 and min(pauses) > 0
    assert 0.3 < sum(pauses) / len(pauses) < 0.7  # half a second is the mean


@pytest.mark.parametrize("scale", [FULL, QUICK], ids=["full", "quick"])
def test_every_request_fits_the_contexts_it_is_meant_for(scale: object) -> None:
    context = 1024 if scale is FULL else 128
    for workload in workloads(NAMES, [4], 1.0, scale):
        assert all(size.prompt_tokens + size.new_tokens <= context for size in (*workload.sizes, *workload.warm_up))


@pytest.mark.slow
@pytest.mark.parallel
@pytest.mark.parametrize("vocab_size", [300, 5000, 50257, 50400])
def test_the_synthetic_tokenizer_fills_the_vocabulary(vocab_size: int, tmp_path: Path) -> None:
    write_tokenizer(tmp_path / "tokenizer.json", vocab_size)
    tokenizer = load_tokenizer(tmp_path)
    assert tokenizer.highest_id == vocab_size - 1
    silent = [number for number in range(256, vocab_size) if not tokenizer.decoder().push(number)]
    assert silent == []


@pytest.mark.slow
def test_a_vocabulary_that_syllables_cannot_fill_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="2000000"):
        write_tokenizer(tmp_path / "tokenizer.json", 2_000_000)


@pytest.mark.parametrize("folder", ["tiny", "tiny-gptj", "demo"])
def test_prompts_have_exactly_the_wanted_tokens_as_ids_and_as_text(folder: str, tmp_path: Path) -> None:
    source = DEMO if folder == "demo" else random_checkpoint(tmp_path, folder).folder
    requests = Prompts(source).requests("any", [Size(1, 1), Size(17, 1), Size(96, 1)])
    for request, count in zip(requests, (1, 17, 96), strict=True):
        assert len(request.prompt) == count
        assert tuple(load_tokenizer(source).encode(request.text)) == request.prompt


def test_the_label_decides_the_contents_of_prompts(tmp_path: Path) -> None:
    prompts = Prompts(random_checkpoint(tmp_path, "tiny").folder)
    first, again, other = (prompts.requests(label, [Size(40, 1)])[0].prompt for label in ("a", "a", "b"))
    assert first == again and first != other


def test_checkpoints_name_no_end_of_text_and_are_kept(tmp_path: Path) -> None:
    made = random_checkpoint(tmp_path, "tiny")
    changed_s = (made.folder / "model.safetensors").stat().st_mtime_ns
    assert made.config.eos_token_ids == ()
    assert random_checkpoint(tmp_path, "tiny").folder == made.folder
    assert (made.folder / "model.safetensors").stat().st_mtime_ns == changed_s
    adopted = linked_checkpoint(tmp_path, DEMO)
    assert adopted.config.eos_token_ids == () and adopted.name == "demo-endless"
    assert (adopted.folder / "model.safetensors").stat().st_size == (DEMO / "model.safetensors").stat().st_size


class Echo:
    """A backend that completes one request per poll, last in first out, and records how many were open."""

    started_s, pids, metadata = None, (), {}

    def __init__(self) -> None:
        self.open: list[Record] = []
        self.most = 0
        self.roles: list[str] = []

    def submit(self, key: int, request: Request, sent_s: float) -> None:
        self.open.append(Record(key, request.role, sent_s))
        self.roles.append(request.role)
        self.most = max(self.most, len(self.open))

    def poll(self, timeout_s: float | None) -> list[Record]:
        return [self.open.pop()] if self.open else []

    def close(self) -> None: ...


def requests(count: int, role: str = "") -> list[Request]:
    return [Request((1,), "", 1, at_s=0.01 * number, role=role) for number in range(count)]


@pytest.mark.parametrize("clients", [1, 3, 9])
def test_a_closed_loop_keeps_as_many_requests_open_as_there_are_clients(clients: int) -> None:
    backend = Echo()
    records = closed_loop(backend, requests(7), clients, lambda record: None)
    assert backend.most == min(clients, 7)
    assert sorted(record.key for record in records) == list(range(7))


def test_a_timetable_counts_from_the_moment_a_request_is_due() -> None:
    records = sorted(timetable(Echo(), requests(5), lambda record: None), key=lambda record: record.key)
    assert [record.sent_s - records[0].sent_s for record in records] == pytest.approx([0, 0.01, 0.02, 0.03, 0.04])


def test_a_stall_runs_the_streams_alone_and_then_with_the_intruders() -> None:
    backend = Echo()
    records = send(backend, "stall", requests(3, "stream") + requests(2, "intruder"), 3, lambda record: None)
    assert backend.roles[:3] == ["alone"] * 3 and sorted(backend.roles[3:]) == ["intruder"] * 2 + ["shared"] * 3
    assert sorted(record.key for record in records) == [0, 0, 1, 1, 2, 2, 3, 4]


def test_targets_without_a_format_stand_for_all_formats() -> None:
    options = parse_options(["--targets", "inkwell,generate:float32", "--dtype", "bfloat16,int8", "--clients", "16,64"])
    assert options.targets == (("inkwell", "bfloat16"), ("inkwell", "int8"), ("generate", "float32"))
    assert options.clients == (16, 64)
    assert options.engine == {"speculation": "off"}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--targets", "vllm"], "'vllm' is not a known target"),
        (["--dtype", "fp8"], "'fp8' is not a known number format"),
        (["--workloads", "w4"], "'w4' is not a known workload"),
        (["--targets", ""], "no targets to measure"),
        (["--engine", "speculation"], "not NAME=VALUE"),
    ],
)
def test_a_wrong_command_line_says_so(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        parse_options(arguments)
    assert words in capsys.readouterr().err
