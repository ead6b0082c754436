"""Parsing of the chart's values with their comments, and the schema generated from them."""

import json
import re
from dataclasses import fields

import pytest
import yaml
from jsonschema import Draft7Validator

from inkwell import __version__
from inkwell.settings.settings import Settings
from scripts.chart.schema import CHARTS_OWN, camel_case, schema_of
from scripts.chart.values import ValuesError, read_values
from tests.helm.chart import FOLDER

VALUES = """
# --- First
# -- How many.
# @schema {"minimum": 0}
count: 1
outer:
  # -- What it is called.
  name: ""
  # -- All of it.
  map: {a: 1, b: {c: 2}}
# --- Second
# -- Of the service.
# @settings
settings: {maxRows: 8}
"""


def test_a_value_has_its_path_default_meaning_and_section():
    count, name, whole, settings = read_values(VALUES)
    assert (count.name, count.default, count.meaning, count.section) == ("count", 1, "How many.", "First")
    assert (name.name, name.default) == ("outer.name", "")
    assert whole.default == {"a": 1, "b": {"c": 2}}
    assert (settings.section, settings.settings) == ("Second", True)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a: 1\n", "a has no description"),
        ("# -- All.\na: 1\nb:\n  c: 2\n", "b.c has no description"),
        ("# -- Some.\na: []\n", "a is empty by default"),
        ("# -- Some.\n# @schemas {}\na: 1\n", "unknown marker"),
    ],
)
def test_a_value_that_is_not_described_is_an_error(text: str, reason: str):
    with pytest.raises(ValuesError, match=reason):
        read_values(text)


def test_the_schema_knows_each_value_and_no_other():
    schema = schema_of(read_values(VALUES))
    assert schema["additionalProperties"] is False
    assert schema["properties"]["count"] == {"description": "How many.", "type": "integer", "minimum": 0}
    assert schema["properties"]["outer"]["additionalProperties"] is False
    assert schema["properties"]["outer"]["properties"]["map"] == {"description": "All of it.", "type": "object"}


def test_every_setting_is_a_value_or_the_charts_own():
    settings = schema_of(read_values(VALUES))["properties"]["settings"]
    names = {item.name for item in fields(Settings)}
    assert CHARTS_OWN < names
    assert set(settings["properties"]) == {camel_case(name) for name in names - CHARTS_OWN}
    assert settings["additionalProperties"] is False
    assert settings["properties"]["maxRows"]["type"] == "integer"


def test_the_defaults_fit_the_settings():
    defaults = yaml.safe_load((FOLDER / "values.yaml").read_text())["settings"]
    schema = json.loads((FOLDER / "values.schema.json").read_text())
    assert set(defaults) <= set(schema["properties"]["settings"]["properties"])


@pytest.mark.parametrize(
    ("name", "fits"),
    [("", True), ("124M", True), ("openai-community/gpt2", True), ("a,b", False), (" ", False), ("a/b/c", False)],
)
def test_a_default_model_is_one_name_or_alias(name: str, fits: bool):
    models = json.loads((FOLDER / "values.schema.json").read_text())["properties"]["models"]
    assert Draft7Validator(models["properties"]["default"]).is_valid(name) == fits


def test_the_schema_is_one():
    Draft7Validator.check_schema(json.loads((FOLDER / "values.schema.json").read_text()))


def test_the_chart_installs_the_version_of_the_code():
    assert yaml.safe_load((FOLDER / "Chart.yaml").read_text())["appVersion"] == __version__


def test_the_readme_pushes_the_version_of_the_code():
    versions = set(re.findall(r"inkwell:(\d[\w.]*)", (FOLDER / "README.md").read_text()))
    assert versions == {__version__}
