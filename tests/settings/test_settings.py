"""Settings: what the environment may contain, what the defaults are, and how mistakes are reported."""

from contextlib import nullcontext
from dataclasses import FrozenInstanceError, fields
from pathlib import Path

import pytest

from inkwell.errors import SettingsError
from inkwell.settings.settings import PROJECT_ROOT, Settings, settings_table


def test_an_empty_environment_gives_the_defaults():
    settings = Settings.from_environ({})
    assert (settings.host, settings.port, settings.default_model, settings.preload) == ("127.0.0.1", 8000, "demo", ())
    assert settings.models_dir == PROJECT_ROOT / "models"
    assert settings.state_dir is None


def test_the_environment_of_the_process_is_read_by_default(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("INKWELL_PORT", "9000")
    assert Settings.from_environ().port == 9000


@pytest.mark.parametrize(
    ("variable", "text", "value"),
    [
        ("HOST", "0.0.0.0", "0.0.0.0"),
        ("HOST", "::1", "::1"),
        ("PORT", "1", 1),
        ("PORT", "65535", 65_535),
        ("MODELS_DIR", "/somewhere/else", Path("/somewhere/else")),
        ("MODELS_DIR", "more", PROJECT_ROOT / "more"),
        ("DEFAULT_MODEL", " 124M ", "124M"),
        ("PRELOAD", "demo, 124M,,", ("demo", "124M")),
        ("MAX_MODELS", "64", 64),
        ("LOAD_TIMEOUT_S", "0.5", 0.5),
        ("LOAD_TIMEOUT_S", "86400", 86_400.0),
        ("RETRY_LOAD_S", "1e1", 10.0),
        ("DEVICE", "cuda:1", "cuda:1"),
        ("DEVICE", "spread", "spread"),
        ("DTYPE", "bfloat16", "bfloat16"),
        ("DTYPE", "int4", "int4"),
        ("KERNELS", "torch", "torch"),
        ("THREADS", "0", 0),
        ("MAX_ROWS", "256", 256),
        ("CACHE_MIB", "16", 16),
        ("SPECULATION", "off", "off"),
        ("DRAFT_MODELS", "1558M=124M, gpt-j-6B = 124M,", (("1558M", "124M"), ("gpt-j-6B", "124M"))),
        ("DRAFT_MODELS", "", ()),
        ("MODEL_ALIASES", "text-davinci-003=1558M", (("text-davinci-003", "1558M"),)),
        ("MAX_REQUESTS", "242", 242),
        ("MAX_CONNECTIONS", "80", 80),
        ("MAX_CONNECTIONS", "400", 400),
        ("MAX_SAMPLES", "128", 128),
        ("MAX_TOKENS_PER_REQUEST", "0", 0),
        ("KEYS_FILE", "", None),
        ("KEYS_FILE", "/etc/inkwell/keys", Path("/etc/inkwell/keys")),
        ("KEYS_FILE", "keys", PROJECT_ROOT / "keys"),
        ("KEYS", "a b c; d e f", "a b c; d e f"),
        ("OPEN", "1", True),
        ("OPEN", "true", True),
        ("OPEN", "0", False),
        ("REQUESTS_PER_MINUTE", "60", 60),
        ("TOKENS_PER_MINUTE", "100000", 100_000),
        ("CORS_ORIGINS", "", ()),
        ("CORS_ORIGINS", "https://a.example, http://localhost:3000", ("https://a.example", "http://localhost:3000")),
        ("CORS_ORIGINS", "http://[::1]:8080,capacitor://localhost", ("http://[::1]:8080", "capacitor://localhost")),
        ("CHAT_USER", "Human", "Human"),
        ("CHAT_ASSISTANT", " The bard ", "The bard"),
        ("CHAT_TEMPLATE", "### {name}:\n{text}\n", "### {name}:\n{text}\n"),
        ("CHAT_OVERFLOW", "error", "error"),
        ("CHAT_MAX_TURNS", "6", 6),
        ("PING_S", "0.1", 0.1),
        ("STATE_DIR", "/run/inkwell", Path("/run/inkwell")),
        ("STATE_DIR", "", None),
        ("LOG_LEVEL", "debug", "debug"),
    ],
)
def test_a_variable_sets_its_field(variable: str, text: str, value: object):
    assert getattr(Settings.from_environ({f"INKWELL_{variable}": text}), variable.lower()) == value


@pytest.mark.parametrize(
    ("variable", "text", "reason"),
    [
        ("HOST", "", "must not be empty"),
        ("HOST", "  ", "must not be empty"),
        ("PORT", "0", "between 1 and 65535"),
        ("PORT", "65536", "between 1 and 65535"),
        ("PORT", "-1", "between 1 and 65535"),
        ("PORT", "", "must be a whole number"),
        ("PORT", "http", "must be a whole number"),
        ("PORT", "8000.5", "must be a whole number"),
        ("PORT", "8_000", "must be a whole number"),
        ("PORT", "٨٠٠٠", "must be a whole number"),
        ("PORT", "9" * 5000, "must be a whole number"),
        ("MODELS_DIR", "", "must not be empty"),
        ("DEFAULT_MODEL", "", "must not be empty"),
        ("MAX_MODELS", "0", "between 1 and 64"),
        ("MAX_MODELS", "65", "between 1 and 64"),
        ("LOAD_TIMEOUT_S", "0", "above 0"),
        ("LOAD_TIMEOUT_S", "-1", "above 0"),
        ("LOAD_TIMEOUT_S", "86401", "at most 86400"),
        ("LOAD_TIMEOUT_S", "nan", "above 0"),
        ("LOAD_TIMEOUT_S", "inf", "at most 86400"),
        ("DRAFT_MODELS", "1558M", "must be comma-separated pairs"),
        ("DRAFT_MODELS", "1558M=124M=demo", "must be comma-separated pairs"),
        ("RETRY_LOAD_S", "soon", "must be a number"),
        ("DEVICE", "gpu", "auto, cpu, cuda, cuda:N or spread"),
        ("DEVICE", "cuda:", "auto, cpu, cuda, cuda:N or spread"),
        ("DEVICE", "cuda:x", "auto, cpu, cuda, cuda:N or spread"),
        ("DEVICE", "cpu:0", "auto, cpu, cuda, cuda:N or spread"),
        ("KERNELS", "native", "one of auto, torch"),
        ("MAX_MEMORY", "20GiB", "0=20GiB"),
        ("MAX_MEMORY", "disk=20GiB", "0=20GiB"),
        ("DTYPE", "int2", "one of auto, float32, bfloat16, float16, int8, int4"),
        ("THREADS", "-1", "between 0 and 1024"),
        ("MAX_ROWS", "0", "between 1 and 256"),
        ("CACHE_MIB", "2GB", "must be a whole number"),
        ("CACHE_MIB", "15", "between 16 and 1048576"),
        ("MAX_REQUESTS", "393", "between 1 and 392"),
        ("MAX_REQUESTS", "243", "at most 242, which is INKWELL_MAX_CONNECTIONS (250) less 8"),
        ("MAX_CONNECTIONS", "15", "between 16 and 400"),
        ("MAX_CONNECTIONS", "401", "between 16 and 400"),
        ("MODEL_ALIASES", "gpt-3", "must be comma-separated pairs"),
        ("MAX_SAMPLES", "0", "between 1 and 128"),
        ("MAX_TOKENS_PER_REQUEST", "-1", "between 0 and"),
        ("OPEN", "yes", "must be 1 or 0"),
        ("OPEN", "", "must be 1 or 0"),
        ("REQUESTS_PER_MINUTE", "-1", "between 0 and"),
        ("TOKENS_PER_MINUTE", "many", "must be a whole number"),
        ("CORS_ORIGINS", "*", "* is none"),
        ("CORS_ORIGINS", "null", "such as https://app.example"),
        ("CORS_ORIGINS", "https://a.example,*", "* is none"),
        ("CORS_ORIGINS", "https://*.example", "such as"),
        ("CORS_ORIGINS", "https://a.example/", "such as"),
        ("CORS_ORIGINS", "https://a.example/page", "such as"),
        ("CORS_ORIGINS", "a.example", "such as"),
        ("CORS_ORIGINS", "https://A.example", "such as"),
        ("CORS_ORIGINS", "https://user@a.example", "such as"),
        ("CORS_ORIGINS", "https://a.example:0", "such as"),
        ("CORS_ORIGINS", "https://a.example:443", "without the port"),
        ("CORS_ORIGINS", "http://a.example:80", "without the port"),
        ("CHAT_USER", " ", "must not be empty"),
        ("CHAT_TEMPLATE", "{text}", "must hold {name} once"),
        ("CHAT_OVERFLOW", "truncate", "one of drop, error"),
        ("CHAT_MAX_TURNS", "-1", "between 0 and"),
        ("PING_S", "0", "above 0"),
        ("LOG_LEVEL", "INFO", "one of debug, info, warning, error"),
    ],
)
def test_a_value_that_does_not_fit_is_told_in_one_line_with_its_name(variable: str, text: str, reason: str):
    with pytest.raises(SettingsError) as caught:
        Settings.from_environ({f"INKWELL_{variable}": text})
    message = caught.value.message
    assert message.startswith(f"INKWELL_{variable} must") and reason in message and "\n" not in message
    assert len(message) < 300 and (repr(text)[:20] in message or message.endswith(f"it is {text}"))


@pytest.mark.parametrize(
    ("name", "meant"),
    [("INKWELL_PROT", "INKWELL_PORT"), ("INKWELL_MODEL_DIR", "INKWELL_MODELS_DIR"), ("INKWELL_port", "INKWELL_PORT")],
)
def test_an_unknown_variable_is_told_with_the_nearest_known_one(name: str, meant: str):
    with pytest.raises(SettingsError, match=f"^{name} is not a setting.*did you mean {meant}\\?$"):
        Settings.from_environ({name: "1", "PATH": "/bin"})


def test_an_unknown_variable_that_resembles_none_is_told_alone():
    with pytest.raises(SettingsError, match="^INKWELL_ZZZZZZZZ is not a setting$"):
        Settings.from_environ({"INKWELL_ZZZZZZZZ": ""})


def test_variables_of_others_are_left_alone():
    assert Settings.from_environ({"MY_INKWELL_PORT": "x", "PORT": "y"}) == Settings.from_environ({})


def test_settings_cannot_be_changed_after_the_start():
    with pytest.raises(FrozenInstanceError):
        Settings.from_environ({}).port = 1


def test_the_table_has_a_row_with_a_meaning_for_every_field():
    rows = settings_table()
    assert [name for name, *_ in rows] == [f"INKWELL_{item.name.upper()}" for item in fields(Settings)]
    assert all(kind and meaning.endswith(".") for _, kind, _, meaning in rows)


def test_limits_of_memory_belong_to_a_model_that_is_spread() -> None:
    limits = {"INKWELL_MAX_MEMORY": "0=20GiB, cpu = 64GiB"}
    assert Settings.from_environ(limits | {"INKWELL_DEVICE": "spread"}).max_memory == limits["INKWELL_MAX_MEMORY"]
    with pytest.raises(SettingsError, match="INKWELL_DEVICE=spread"):
        Settings.from_environ(limits)


def test_as_many_requests_can_be_admitted_as_a_model_may_have_rows() -> None:
    settings = Settings.from_environ({f"INKWELL_MAX_{name}": str(most) for name, most in
                                      {"ROWS": 256, "REQUESTS": 392, "CONNECTIONS": 400}.items()})  # fmt: skip
    assert settings.max_requests > settings.max_rows == 256


@pytest.mark.parametrize(("connections", "requests", "fits"), [(96, 88, True), (96, 89, False), (79, 72, False)])
def test_threads_remain_to_refuse_with_when_the_service_is_full(connections: int, requests: int, fits: bool) -> None:
    given = {"INKWELL_MAX_CONNECTIONS": str(connections), "INKWELL_MAX_REQUESTS": str(requests)}
    with nullcontext() if fits else pytest.raises(SettingsError, match="INKWELL_MAX_REQUESTS must be at most"):
        Settings.from_environ(given)
