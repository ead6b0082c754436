"""All errors of requests, of startup and of checkpoints, as one class tree that knows no HTTP.

    InkwellError
    ├── SettingsError             a wrong or unknown INKWELL_* variable; stops the start
    ├── RequestError              the client can fix it by changing the request
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
    ├── Refused                   the same request may succeed later
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

`http/error_handlers.py` maps these classes to HTTP. Messages are for the sender of the request: they
name the field, the limit and the value, and never a path, a host or the text of a prompt. Details for
the operator go into `cause`, which is logged and never sent.
"""

from typing import ClassVar


class InkwellError(Exception):
    """Base of all errors that Inkwell raises on purpose.

    `retry_after_s` is set if it is known when the same request may succeed; the table in `error_handlers.py` has a
    default for the rest.
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
    """The request is at fault: it may succeed if changed, but not if repeated."""

    code = "invalid_request"


class InvalidParameter(RequestError):
    """A parameter is missing, of the wrong type or out of its range."""

    code = "invalid_parameter"


class UnknownParameter(RequestError):
    """An unknown parameter; never ignored, because a typo would change the result silently."""

    code = "unknown_parameter"


class InvalidBody(RequestError):
    """The body is not the JSON object or form that its content type declares."""

    code = "invalid_body"


class ContextLengthExceeded(RequestError):
    """Prompt and requested tokens together exceed the model's context."""

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
    """The key lacks the scope of this endpoint, or a service without keys does not allow this host or origin."""

    code = "permission_denied"


class Refused(InkwellError):
    """The request is refused for now; the same request may succeed later."""

    code = "refused"


class QueueFull(Refused):
    """The limit on running and waiting requests, or on large requests being received, is reached."""

    code = "queue_full"


class RateLimited(Refused):
    """The client has used up its requests or tokens of this minute."""

    code = "rate_limit_exceeded"


class ShuttingDown(Refused):
    """The service is draining: running requests finish, new ones are refused."""

    code = "server_shutting_down"


class ModelUnavailable(InkwellError):
    """This model cannot be served; another model may be."""

    code = "model_unavailable"


class ModelCorrupt(ModelUnavailable):
    """The checkpoint is truncated, has wrong shapes, or is not a plain GPT-2 or GPT-J."""

    code = "model_corrupt"


class NeedsConversion(ModelUnavailable):
    """The folder contains only pickled weights, which the service never opens."""

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
    """The request took longer than the service allows; a smaller length, or a retry under less load, may succeed."""

    code = "deadline_exceeded"


class WorkerDied(GenerationFailed):
    """The worker process ended while the request ran; the next request starts a new one."""

    code = "worker_died"


class EngineFailed(GenerationFailed):
    """A step of the engine raised; the requests of that step fail, and the engine continues."""

    code = "engine_error"


class InvalidLogits(GenerationFailed):
    """The model produced NaN or infinite logits for this request."""

    code = "invalid_logits"


def error_kinds(root: type[InkwellError] = InkwellError) -> list[type[InkwellError]]:
    """The leaves of the tree: all classes that are raised themselves."""
    children = [child for child in root.__subclasses__() if child.__module__ == __name__]
    return [leaf for child in children for leaf in error_kinds(child)] if children else [root]


def error_of(code: str, message: str, cause: str | None = None) -> InkwellError:
    """The error with the code that a worker reported; EngineFailed for an unknown code."""
    kind = next((known for known in error_kinds() if known.code == code), EngineFailed)
    return kind(message, cause=cause)
