"""`Sampling`: each parameter is declared once, applied by one step of the sampler, and named in few files."""

import re
from dataclasses import fields

import pytest

from inkwell.engine.sampling.processors import CUTS, LOGIT_PROCESSORS, TEMPERATURE
from inkwell.parameters import PARAMETERS
from inkwell.parameters.parameter import typed
from inkwell.parameters.sampling import NEEDS_DRAWING, NEEDS_GENERATED, SAMPLING, Sampling, sampling_rows
from tests.layers import PACKAGE

NAMES = [item.name for item in fields(Sampling)]
MAX_FILES = 4
# A word that also occurs in JSON examples and in prose about greedy decoding.
EXCEPTIONS = {"temperature"}


def test_every_parameter_is_applied_by_exactly_one_step():
    applied = [name for processor in LOGIT_PROCESSORS for name in processor.parameters]
    assert sorted([*applied, TEMPERATURE, *(cut.parameter for cut in CUTS)]) == sorted(NAMES)


def test_its_default_is_that_of_its_row_and_is_valid():
    neutral = Sampling()
    for row in SAMPLING:
        assert getattr(neutral, row.name) == row.default, row.name
        assert typed(row, row.to_json(row.default)) == row.default, row.name


def test_every_parameter_is_in_the_native_table():
    assert [row for row in PARAMETERS if row.name in NAMES] == list(SAMPLING)


def test_what_needs_a_draw_or_a_generated_token():
    assert set(NEEDS_DRAWING) == {"temperature", *(cut.parameter for cut in CUTS)}
    assert set(NEEDS_GENERATED) == {"presence_penalty", "frequency_penalty"}


def test_a_dialect_may_change_rows_and_a_misspelt_one_is_found():
    changed = {row.name: row for row in sampling_rows(top_k={"high": 5})}
    assert list(changed) == NAMES and changed["top_k"].high == 5
    with pytest.raises(AssertionError):
        sampling_rows(topk={"high": 5})


@pytest.mark.parametrize("name", [name for name in NAMES if name not in EXCEPTIONS])
def test_a_parameter_is_named_in_few_files(name: str):
    word = re.compile(rf"\b{name}\b")
    found = sorted(str(file.relative_to(PACKAGE)) for file in PACKAGE.rglob("*.py") if word.search(file.read_text()))
    assert len(found) <= MAX_FILES, found
