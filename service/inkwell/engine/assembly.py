"""Joins the parts of an engine, which share one measure of what a step costs.

Takes a decoder with its cache, gives an `Engine`, and says in words how it guesses ahead. Reads no files.
"""

from inkwell.engine.contract import EngineConfig
from inkwell.engine.engine import Engine
from inkwell.engine.model.decoder import Decoder
from inkwell.engine.model.kv_cache import KVCache
from inkwell.engine.runner import Runner
from inkwell.engine.scheduler import Scheduler
from inkwell.engine.speculation.draft_model import DraftModel
from inkwell.engine.speculation.speculation import NgramDrafter, Speculation
from inkwell.engine.step_costs import StepCosts


def assemble(
    decoder: Decoder, cache: KVCache, rows: int, config: EngineConfig, draft: DraftModel | None = None
) -> Engine:
    """An engine of `rows` cache slots; `draft` guesses ahead instead of prompt lookup."""
    costs = StepCosts()
    speculation = Speculation(draft or NgramDrafter(), costs) if speculates(decoder, config) else None
    scheduler = Scheduler(rows, config.prefill_chunk, decoder.uniform, costs)
    return Engine(Runner(decoder, cache), scheduler, costs, speculation)


def speculates(decoder: Decoder, config: EngineConfig) -> bool:
    """Whether tokens are guessed ahead: verifying them cuts a sequence otherwise, so that must not change its bits."""
    return decoder.uniform and config.speculation != "off"


def drafts_in_words(decoder: Decoder, config: EngineConfig) -> str:
    """How tokens are guessed ahead, for whoever asks which way a model computes."""
    if not speculates(decoder, config):
        return "no drafts"
    return "drafts by another model" if config.draft_folder else "drafts by prompt lookup"
