"""The chart's number of requests per pod matches the service's, so that no autoscaling target is unreachable."""

from dataclasses import dataclass

import pytest

from inkwell.checkpoints.catalog import KNOWN_MODELS
from inkwell.settings.settings import Settings
from scripts.chart.helm import HelmError
from tests.helm.chart import OPEN, Chart

pytestmark = [pytest.mark.slow, pytest.mark.parallel]
SETTINGS = Settings.from_environ({})


@dataclass(frozen=True)
class Shape:
    """Return the config of a published model."""

    layers: int
    width: int
    context: int

    def rows(self, cache_mib: int, bytes_per_value: int = 2) -> int:
        """Return the rows asked for, limited by the whole contexts that fit."""
        context_bytes = 2 * self.layers * self.width * self.context * bytes_per_value
        return max(1, min(SETTINGS.max_rows, (cache_mib << 20) // context_bytes))


SHAPES = {
    "124M": Shape(12, 768, 1024),
    "355M": Shape(24, 1024, 1024),
    "774M": Shape(36, 1280, 1024),
    "1558M": Shape(48, 1600, 1024),
    "gpt-j-6B": Shape(28, 4096, 2048),
}
SMALL_MIB = 1_024  # holds fewer rows than the setting for most


def accepts(chart: Chart, model: str, running: int, **settings: object) -> bool:
    values = OPEN | {
        "models": {"default": model},
        "autoscaling": {"mode": "hpa-queue", "targetRunningRequests": running},
        "settings": settings,
    }
    try:
        return bool(chart.render(values))
    except HelmError as error:
        assert "targetRunningRequests" in str(error)
        return False


def test_all_known_models_have_a_shape():
    assert SHAPES.keys() == {model.name for model in KNOWN_MODELS}


@pytest.mark.parametrize("model", SHAPES)
@pytest.mark.parametrize("cache_mib", [SETTINGS.cache_mib, SMALL_MIB])
def test_a_target_is_below_what_the_cache_holds(chart: Chart, model: str, cache_mib: int):
    rows = SHAPES[model].rows(cache_mib)
    assert accepts(chart, model, rows - 1, cacheMib=cache_mib)
    assert not accepts(chart, model, rows, cacheMib=cache_mib)


def test_wide_numbers_take_twice_the_room(chart: Chart):
    rows = SHAPES["1558M"].rows(SETTINGS.cache_mib, bytes_per_value=4)
    assert accepts(chart, "1558M", rows - 1, dtype="float32")
    assert not accepts(chart, "1558M", rows, dtype="float32")


def test_an_alias_is_the_model(chart: Chart):
    assert not accepts(chart, "gpt2-xl", SHAPES["1558M"].rows(SETTINGS.cache_mib))


def test_of_unknown_models_the_setting_counts(chart: Chart):
    assert accepts(chart, "tales", SETTINGS.max_rows - 1, cacheMib=SMALL_MIB)
    assert not accepts(chart, "tales", SETTINGS.max_rows)
