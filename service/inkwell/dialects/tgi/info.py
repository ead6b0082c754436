"""The reply of `/info`: the default model and the service's limits, under TGI's names."""

from typing import Any

from inkwell.dialects.tgi.parameters import MAX_TOP_TOKENS
from inkwell.http.services import Services
from inkwell.models.model_store import Model
from inkwell.parameters.lists import MAX_STOPS
from inkwell.parameters.table import BY_NAME


def info(model: Model, services: Services) -> dict[str, Any]:
    """Fields that only a running worker knows are null without one."""
    worker = services.registry.worker(model.name)
    ready = worker.ready if worker is not None and worker.alive else None
    context = model.config.context
    return {
        "model_id": model.name,
        "model_sha": None,
        "model_dtype": ready.dtype if ready else None,
        "model_device_type": ready.device.partition(":")[0] if ready else None,
        "model_pipeline_tag": "text-generation",
        "max_concurrent_requests": services.max_requests,
        "max_best_of": min(services.limits.samples, int(BY_NAME["best_of"].high or 1)),
        "max_stop_sequences": MAX_STOPS,
        "max_top_n_tokens": MAX_TOP_TOKENS,
        "max_input_tokens": context - 1,  # one must remain to be generated
        "max_input_length": context - 1,  # its name before TGI 2.1
        "max_total_tokens": context,
        "max_client_batch_size": 1,
        "router": "inkwell",
        "version": services.version,
        "sha": None,
        "docker_label": None,
    }
