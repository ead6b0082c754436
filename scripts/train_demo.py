"""Train the small GPT-2 that ships in models/demo, from one text file of stories.

Input: a text whose stories are separated by `<|endoftext|>` lines; the last 5 % of the stories are held out. Output: a
folder in transformers' format, and training.json with the metrics of the run. With `--from FOLDER --layers N`, training
continues from an earlier model with layers added, keeping its vocabulary. Knows nothing of the service.
"""

import argparse
import json
import math
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from io import TextIOWrapper
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from tokenizers import ByteLevelBPETokenizer, Tokenizer
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # run as a script, Python only searches its folder

from scripts.demo_model import GPT2, deepen  # noqa: E402

END = "<|endoftext|>"


def split_stories(text: str, held_share: float = 0.05) -> tuple[list[str], list[str]]:
    """Split off the last `held_share` of the stories, at least one, as held-out data."""
    stories = [story.strip() for story in text.split(END) if story.strip()]
    held = max(1, round(len(stories) * held_share))
    return stories[:-held], stories[-held:]


def train_tokenizer(stories: list[str], vocab: int) -> ByteLevelBPETokenizer:
    """Train a byte-level BPE; its alphabet has all 256 bytes, so it can encode any text."""
    tokenizer = ByteLevelBPETokenizer(add_prefix_space=False)
    tokenizer.train_from_iterator(stories, vocab, special_tokens=[END], show_progress=False)
    return tokenizer


def load_tokenizer(folder: Path) -> Tokenizer:
    """Load the tokenizer of a trained folder, which includes the end-of-text token."""
    return Tokenizer.from_file(str(folder / "tokenizer.json"))


def take_shape(args: argparse.Namespace) -> None:
    """Take the shape from the folder that training continues from, except the number of layers, which may grow."""
    config = json.loads((args.origin / "config.json").read_text(encoding="utf-8"))
    args.vocab, args.positions = config["vocab_size"], config["n_positions"]
    args.width, args.heads = config["n_embd"], config["n_head"]


def encode(tokenizer: ByteLevelBPETokenizer | Tokenizer, stories: list[str]) -> Tensor:
    """Concatenate all stories into one stream, each between end-of-text tokens."""
    ids = [tokenizer.token_to_id(END)]
    for story in tokenizer.encode_batch(stories):
        ids += [*story.ids, ids[0]]
    return torch.tensor(ids)


def batches(stream: Tensor, window: int, rows: int) -> Iterator[Tensor]:
    """Yield endless batches [rows, window + 1]: each epoch cuts the stream at a new offset and shuffles the windows."""
    while True:
        shift = int(torch.randint(window, ()))
        starts = torch.arange(shift, len(stream) - window, window)
        for chunk in starts[torch.randperm(len(starts))].split(rows):
            yield torch.stack([stream[start : start + window + 1] for start in chunk.tolist()])


@torch.inference_mode()
def bits_per_byte(model: nn.Module, stream: Tensor, num_bytes: int, context: int) -> float:
    """Return the bits of all tokens after the first, per byte; each token has at least half a context before it."""
    step, nats = max(1, context // 2), 0.0
    for start in range(1, len(stream), step):
        scored = stream[start : start + step]
        end = start + len(scored)
        logits = model(stream[None, max(0, end - 1 - context) : end - 1])[0, -len(scored) :].float()
        nats += F.cross_entropy(logits, scored, reduction="sum").item()
    return nats / math.log(2) / num_bytes


def lr_scale(step: int, share: float) -> float:
    """Warm-up over 100 steps, constant until 30 % of the time, then linear decay to zero."""
    return min(1.0, (step + 1) / 100, (1 - share) / 0.7)


def window_at(share: float, positions: int) -> int:
    """Short windows first, where a step is cheapest; full contexts in the last fifth of the time."""
    return positions // next(part for limit, part in ((0.25, 8), (0.55, 4), (0.8, 2), (9, 1)) if share < limit)


class Trainer:
    """Model, data and optimizers of one run, and its output folder."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.args = args
        stories, held = split_stories(args.corpus.read_text(encoding="utf-8"))
        self.tokenizer = load_tokenizer(args.origin) if args.origin else train_tokenizer(stories, args.vocab)
        self.stream, self.held = encode(self.tokenizer, stories), encode(self.tokenizer, held)
        self.model = GPT2(self.tokenizer.get_vocab_size(), args)
        if args.origin:
            self.model.load_tensors(deepen(load_file(args.origin / "model.safetensors"), args.layers))
        self.bfloat16 = torch.ops.mkldnn._is_mkldnn_bf16_supported()  # elsewhere it is emulated: slower than float32
        # Own threads instead of OpenMP's: with OpenMP, which synchronises in every operation, the rate fell from 5,700
        # to 450 tokens/s as soon as another process used one of the two cores.
        self.pool = ThreadPoolExecutor(args.threads, initializer=torch.set_num_threads, initargs=(1,))
        self.optimizers = self.make_optimizers()
        self.tokens, self.steps, self.loss = 0, 0, math.log(self.tokenizer.get_vocab_size())
        self.history: list[dict[str, float]] = []
        self.summary: dict[str, Any] = {
            "parameters": sum(parameter.numel() for parameter in self.model.parameters()),
            "train_stories": len(stories),
            "train_tokens": len(self.stream),
            "held_out_tokens": len(self.held) - 1,
            "history": self.history,
            "held_out_stories": len(held),
            "held_out_bytes": sum(len(story.encode()) for story in held),
            "options": {name: value for name, value in vars(args).items() if not isinstance(value, Path)},
        }

    def make_optimizers(self) -> list[torch.optim.Optimizer]:
        """Muon for the matrices of the layers, AdamW for the rest; norms and biases have no weight decay.

        Muon computes in bfloat16; for processors that emulate it, `--muon-lr 0` uses AdamW for all parameters.
        """
        matrices = [p for p in self.model.h.parameters() if p.ndim == 2]
        tables = {"params": [self.model.wte.weight, self.model.wpe.weight], "weight_decay": self.args.weight_decay}
        if not self.args.muon_lr:
            tables["params"] += matrices
            matrices = []
        vectors = {"params": [p for p in self.model.parameters() if p.ndim == 1], "weight_decay": 0.0}
        adam = torch.optim.AdamW([tables, vectors], self.args.lr, (0.9, 0.95))
        n, rates = self.args.threads, (self.args.muon_lr, self.args.weight_decay)
        shares = [matrices[i::n] for i in range(n)]  # one per thread
        muons = [torch.optim.Muon(share, *rates) for share in shares if share]
        for group in (group for optimizer in (adam, *muons) for group in optimizer.param_groups):
            group["peak"] = group["lr"]
        return [*muons, adam]

    def gradients(self, rows: Tensor, first: int, weight: float) -> tuple[float, tuple[Tensor, ...]]:
        """Compute one thread's share of loss and gradients; returned, not accumulated, to avoid data races."""
        with torch.autocast("cpu", torch.bfloat16, enabled=self.bfloat16):
            logits = self.model(rows[:, :-1], first)
        loss = F.cross_entropy(logits.float().flatten(0, 1), rows[:, 1:].flatten()) * weight
        return loss.item(), torch.autograd.grad(loss, list(self.model.parameters()))

    def step(self, batch: Tensor, share: float) -> None:
        # Every other batch starts at a random position: short windows at position 0 would never train later positions.
        first = int(torch.randint(self.args.positions - batch.shape[1] + 2, ())) if self.steps % 2 else 0
        chunks = batch.chunk(self.args.threads)
        parts = self.pool.map(lambda rows: self.gradients(rows, first, len(rows) / len(batch)), chunks)
        losses, gradients = zip(*parts, strict=True)
        for parameter, *grads in zip(self.model.parameters(), *gradients, strict=True):
            parameter.grad = sum(grads)
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        for group in (group for optimizer in self.optimizers for group in optimizer.param_groups):
            group["lr"] = group["peak"] * lr_scale(self.steps, share)
        list(self.pool.map(lambda optimizer: optimizer.step(), self.optimizers))
        self.tokens, self.steps = self.tokens + batch[:, 1:].numel(), self.steps + 1
        self.loss += 0.02 * (sum(losses) - self.loss)

    def run(self) -> None:
        begin, window, share = time.monotonic(), 0, 0.0
        while share < 1:
            if window != window_at(share, self.args.positions):
                window = window_at(share, self.args.positions)
                feed = batches(self.stream, window, max(self.args.threads, self.args.batch_tokens // window))
            self.step(next(feed), share)
            minutes = (time.monotonic() - begin) / 60
            share = minutes / self.args.minutes
            if self.steps % 100 == 0:
                print(f"{minutes:.1f} min {self.tokens} tokens {self.tokens / minutes / 60:.0f}/s loss {self.loss:.3f}")
            if share >= 1 or minutes >= self.args.export_minutes * (1 + len(self.history)):
                self.report(minutes, window, last=share >= 1)

    def report(self, minutes: float, context: int, last: bool) -> None:
        """Evaluate on the held-out stories, print, and write the folder; the last report uses float16 weights."""
        self.model.eval()
        if last:
            self.model.half().float()
        with torch.autocast("cpu", torch.bfloat16, enabled=self.bfloat16 and not last):
            bits = bits_per_byte(self.model, self.held, self.summary["held_out_bytes"], context)
        self.model.train()
        point: dict[str, float] = {"minutes": round(minutes, 1), "tokens_seen": self.tokens, "steps": self.steps}
        point |= {"train_loss": round(self.loss, 4), "held_out_bits_per_byte": round(bits, 4), "context": context}
        self.history.append(point)
        self.summary |= point
        print(json.dumps(point))
        self.export()

    def config(self) -> dict[str, object]:
        args = self.args
        kind: dict[str, object] = {"model_type": "gpt2", "architectures": ["GPT2LMHeadModel"]}
        kind |= {"torch_dtype": "float16"}
        kind |= {"vocab_size": self.tokenizer.get_vocab_size(), "n_positions": args.positions, "n_embd": args.width}
        kind |= {"n_layer": args.layers, "n_head": args.heads, "activation_function": "gelu_new"}
        kind |= {"resid_pdrop": args.dropout, "embd_pdrop": args.dropout, "attn_pdrop": 0.0}
        return kind | {"layer_norm_epsilon": 1e-5, "bos_token_id": 0, "eos_token_id": 0, "tie_word_embeddings": True}

    def export(self) -> None:
        """Write the complete folder to a temporary place and rename its files into the output folder."""
        out, part = self.args.out, self.args.out / ".part"
        part.mkdir(parents=True, exist_ok=True)
        tokens = {"tokenizer_class": "GPT2TokenizerFast", "model_max_length": self.args.positions}
        tokens |= {"add_prefix_space": False} | dict.fromkeys(("bos_token", "eos_token", "unk_token"), END)
        texts = {"config.json": self.config(), "tokenizer_config.json": tokens, "training.json": self.summary}
        save_file(self.model.tensors(), part / "model.safetensors", metadata={"format": "pt"})
        (part / "model.safetensors").chmod(0o644)  # written as 0600, and the server may run as another user
        self.tokenizer.save(str(part / "tokenizer.json"), pretty=False)
        for name, content in texts.items():
            (part / name).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
        for file in part.iterdir():
            file.replace(out / file.name)
        part.rmdir()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("corpus", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    defaults = {"seed": 1, "threads": 2, "minutes": 100.0, "export-minutes": 10.0, "batch-tokens": 4096}
    defaults |= {"vocab": 3000, "positions": 1024, "width": 256, "layers": 6, "heads": 8, "dropout": 0.1}
    for name, value in (defaults | {"lr": 4e-3, "muon-lr": 0.025, "weight-decay": 0.1}).items():
        parser.add_argument(f"--{name}", type=type(value), default=value, help=f"default {value}")
    parser.add_argument(
        "--from", dest="origin", type=Path, help="continue from this trained folder, extended to --layers"
    )
    args = parser.parse_args()
    if args.origin:
        take_shape(args)
    assert isinstance(sys.stdout, TextIOWrapper)
    sys.stdout.reconfigure(line_buffering=True)  # progress is read from a log file
    torch.manual_seed(args.seed)
    torch.set_num_threads(1)
    Trainer(args).run()


if __name__ == "__main__":
    main()
