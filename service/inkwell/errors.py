"""Every way in which a request, a start or a checkpoint can fail, as one tree that knows no HTTP.

    InkwellError
    ├── SettingsError             a wrong or unknown INKWELL_* variable; stops the start
    ├── RequestError              the caller can mend it by changing the request
    │   ├── InvalidParameter
    │   ├── UnknownParameter
    │   ├── InvalidBody
    │   ├── ContextLengthExceeded
    │   ├── UnsupportedParameter
    │   ├── ModelNotFound
    │   ├── ModelNotDownloaded
    │   ├── RequestNotFound
    │   ├── Unauthorized
    │   └── Forbidden
    ├── Refused                   the same request may pass later
    │   ├── QueueFull
    │   ├── RateLimited
    │   └── ShuttingDown
    ├── ModelUnavailable          the model, not the request, is at fault
    │   ├── ModelCorrupt
    │   ├── NeedsConversion
    │   ├── LoadTimeout
    │   └── LoadFailed
    └── GenerationFailed          an admitted request that could not be finished
        ├── Cancelled
        ├── DeadlineExceeded
        ├── WorkerDied
        ├── EngineFailed
        └── InvalidLogits

`http/error_handlers.py` has the one table from these classes to HTTP. Messages are for the sender of the request: they
name the field, the limit and the value, and never a path, a host or the text of a prompt. What only the operator
may see goes into `cause`, which is logged and never sent.
"""

from typing import ClassVar


class InkwellError(Exception):
    """Base of all errors that Inkwell raises on purpose.

    `retry_after_s` is set where it is known when the same request may succeed; the table of `error_handlers.py` has a
    usual value for the rest.
    """

    code: ClassVar[str] = "internal_error"  # also of unexpected errors

    def __init__(
        self,
        message: str,
        *,
        param: str | None = None,
        cause: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.cause = cause
        self.retry_after_s = retry_after_s


class SettingsError(InkwellError):
    """An INKWELL_* variable is unknown or holds a value that does not fit."""

    code = "invalid_setting"


class RequestError(InkwellError):
    """The request cannot be served in this form; changing it helps, repeating it does not."""

    code = "invalid_request"


class InvalidParameter(RequestError):
    """A parameter is missing, of the wrong type or out of its range."""

    code = "invalid_parameter"


class UnknownParameter(RequestError):
    """A parameter that no table knows; never ignored, because a typo would change the answer silently."""

    code = "unknown_parameter"


class InvalidBody(RequestError):
    """The body is not the JSON object or form that its content type promises."""

    code = "invalid_body"


class ContextLengthExceeded(RequestError):
    """Prompt and requested tokens together do not fit the model's positions."""

    code = "context_length_exceeded"


class UnsupportedParameter(RequestError):
    """A parameter of another service's dialect that is known here but cannot be honoured; never ignored."""

    code = "unsupported_parameter"


class ModelNotFound(RequestError):
    """No folder below the models directory and no alias has this name."""

    code = "model_not_found"


class ModelNotDownloaded(RequestError):
    """A model that Inkwell knows by name, whose checkpoint is not on this machine yet."""

    code = "model_not_downloaded"


class RequestNotFound(RequestError):
    """No request of this client with this id is running or waiting."""

    code = "request_not_found"


class Unauthorized(RequestError):
    """The request carries no key, or none that is valid here; the reply does not say which."""

    code = "invalid_api_key"


class Forbidden(RequestError):
    """The key is valid, but its scopes do not open this endpoint."""

    code = "permission_denied"


class Refused(InkwellError):
    """Not now: the same request may pass later."""

    code = "refused"


class QueueFull(Refused):
    """As many requests as the service takes are running or waiting already, or as many large ones on their way in."""

    code = "queue_full"


class RateLimited(Refused):
    """The client has used up its requests or tokens of this minute."""

    code = "rate_limit_exceeded"


class ShuttingDown(Refused):
    """The service is draining: running requests finish, new ones are refused."""

    code = "server_shutting_down"


class ModelUnavailable(InkwellError):
    """The model cannot answer; another model may."""

    code = "model_unavailable"


class ModelCorrupt(ModelUnavailable):
    """The checkpoint is truncated, mis-shaped, or no plain GPT-2 or GPT-J."""

    code = "model_corrupt"


class NeedsConversion(ModelUnavailable):
    """The folder holds pickled weights alone, which the serving path never opens."""

    code = "model_needs_conversion"


class LoadTimeout(ModelUnavailable):
    """The model did not become ready within the time that a request waits for it."""

    code = "model_loading"


class LoadFailed(ModelUnavailable):
    """The worker ended while it loaded, for a reason other than the checkpoint's content."""

    code = "model_load_failed"


class GenerationFailed(InkwellError):
    """An admitted request ended without a finish reason."""

    code = "generation_failed"


class Cancelled(GenerationFailed):
    """The request was cancelled before its first token."""

    code = "request_cancelled"


class DeadlineExceeded(GenerationFailed):
    """The request took longer than the service allows; a shorter length or a less busy time helps."""

    code = "deadline_exceeded"


class WorkerDied(GenerationFailed):
    """The model's process went away while the request ran; the next request starts a fresh one."""

    code = "worker_died"


class EngineFailed(GenerationFailed):
    """A step of the engine raised; the requests of that step fail, the loop goes on."""

    code = "engine_error"


class InvalidLogits(GenerationFailed):
    """The model produced NaN or infinite logits for this request."""

    code = "invalid_logits"


def error_kinds(root: type[InkwellError] = InkwellError) -> list[type[InkwellError]]:
    """The leaves of the tree in this file: every class that is raised as it is."""
    children = [child for child in root.__subclasses__() if child.__module__ == __name__]
    return [leaf for child in children for leaf in error_kinds(child)] if children else [root]


def error_of(code: str, message: str, cause: str | None = None) -> InkwellError:
    """The error that a worker named by its code; an unknown code is an engine failure."""
    kind = next((known for known in error_kinds() if known.code == code), EngineFailed)
    return kind(message, cause=cause)
