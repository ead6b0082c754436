"""The reader of JSON bodies, as every dialect uses it: what it refuses, with which words, and what it lets through."""

import gzip
import json
import time

import pytest
from flask import Flask, request
from werkzeug.exceptions import UnsupportedMediaType

from inkwell.access.admission import Admission
from inkwell.access.throughput import ThroughputEstimator
from inkwell.errors import InkwellError, InvalidBody, InvalidParameter
from inkwell.http.request_body import read_json, register
from tests.serving import problem

CANARY = "Rohrdommel"
JSON = "application/json"


def read(data: bytes, content_type: str = JSON, **more: object) -> dict[str, object]:
    app = Flask("reader")
    register(app, Admission(1, None, ThroughputEstimator()))
    with app.test_request_context(method="POST", data=data, content_type=content_type, **more):
        return read_json(request)


def nested(depth: int) -> bytes:
    """A value so deep, the object around it counted."""
    return b'{"a":' + b"[" * (depth - 1) + b"]" * (depth - 1) + b"}"


# name of the case: (body, error, its param, a part of its message)
REFUSED: dict[str, tuple[bytes, type[InkwellError], str | None, str]] = {
    "an empty body": (b"", InvalidBody, None, "not JSON"),
    "only spaces": (b" \n\t", InvalidBody, None, "not JSON"),
    "null": (b"null", InvalidBody, None, "must be a JSON object"),
    "a list": (b"[]", InvalidBody, None, "must be a JSON object"),
    "a list of objects": (b'[{"a": 1}]', InvalidBody, None, "must be a JSON object"),
    "a text": (b'"Rohrdommel"', InvalidBody, None, "must be a JSON object"),
    "a number": (b"1", InvalidBody, None, "must be a JSON object"),
    "true": (b"true", InvalidBody, None, "must be a JSON object"),
    "no JSON at all": (b"Rohrdommel", InvalidBody, None, "at character 0"),
    "HTML": (b"<html>Rohrdommel</html>", InvalidBody, None, "at character 0"),
    "a form": (b"a=Rohrdommel&b=2", InvalidBody, None, "at character 0"),
    "a truncated object": (b'{"a": "Rohrdommel"', InvalidBody, None, "at character 18"),
    "a truncated text": (b'{"a": "Rohrdommel', InvalidBody, None, "at character 6"),
    "a truncated escape": (b'{"a": "Rohrdommel\\u12', InvalidBody, None, "not JSON"),
    "bytes after the object": (b'{"a": 1} Rohrdommel', InvalidBody, None, "at character 9"),
    "two objects": (b'{"a": 1}{"a": 2}', InvalidBody, None, "at character 8"),
    "single quotes": (b"{'a': 1}", InvalidBody, None, "not JSON"),
    "a comma too many": (b'{"a": 1,}', InvalidBody, None, "not JSON"),
    "a comment": (b'{"a": 1} // Rohrdommel', InvalidBody, None, "not JSON"),
    "a leading zero": (b'{"a": 01}', InvalidBody, None, "not JSON"),
    "a plus sign": (b'{"a": +1}', InvalidBody, None, "not JSON"),
    "a hexadecimal number": (b'{"a": 0x10}', InvalidBody, None, "not JSON"),
    "a raw line break in a text": (b'{"a": "Rohr\ndommel"}', InvalidBody, None, "not JSON"),
    "a raw NUL in a text": (b'{"a": "Rohr\x00dommel"}', InvalidBody, None, "not JSON"),
    "a raw NUL after the object": (b'{"a": 1}\x00', InvalidBody, None, "not JSON"),
    "bytes that are not UTF-8": (b'{"a": "\xff\xfe"}', InvalidBody, None, "at byte 7"),
    "Latin-1": ('{"a": "Müller"}'.encode("latin-1"), InvalidBody, None, "at byte 8"),
    "an overlong slash": (b'{"a": "\xc0\xaf"}', InvalidBody, None, "not UTF-8"),
    "a surrogate as UTF-8": (b'{"a": "\xed\xa0\x80"}', InvalidBody, None, "not UTF-8"),
    "half a character at the end": (b'{"a": "\xf0\x9f\x98', InvalidBody, None, "not UTF-8"),
    "UTF-16 with its mark": ('{"a": 1}'.encode("utf-16"), InvalidBody, None, "not UTF-8"),
    "UTF-16 without": ('{"a": 1}'.encode("utf-16-le"), InvalidBody, None, "not JSON"),
    "UTF-32": ('{"a": 1}'.encode("utf-32-be"), InvalidBody, None, "not JSON"),
    "a byte order mark": ('{"a": 1}'.encode("utf-8-sig"), InvalidBody, None, "at character 0"),
    "100,000 open lists": (b"[" * 100_000, InvalidBody, None, "more than 32 deep"),
    "100,000 open objects": (b'{"a":' * 100_000, InvalidBody, None, "more than 32 deep"),
    "one level too deep": (nested(33), InvalidBody, None, "more than 32 deep"),
    "depth behind a text with a quote": (b'{"a":"\\"","b":' + b"[" * 40, InvalidBody, None, "more than 32 deep"),
    "an integer of 5,000 digits": (b'{"a": ' + b"9" * 5_000 + b"}", InvalidBody, None, "too long"),
    "such an integer in a list": (b'{"a": [-' + b"9" * 5_000 + b"]}", InvalidBody, None, "too long"),
    "NaN": (b'{"a": NaN}', InvalidBody, None, "NaN is not JSON"),
    "Infinity": (b'{"a": Infinity}', InvalidBody, None, "Infinity is not JSON"),
    "-Infinity in a list": (b'{"a": [-Infinity]}', InvalidBody, None, "-Infinity is not JSON"),
    "1e400": (b'{"a": 1e400}', InvalidParameter, "a", "a holds a number that is too large"),
    "-1e400 deep inside": (b'{"b": 1, "a": [{"c": [-1e400]}]}', InvalidParameter, "a", "too large"),
    "a key twice": (b'{"a": 1, "a": 9999}', InvalidBody, "a", "'a' is given more than once"),
    "a key twice, once escaped": (b'{"a": 1, "\\u0061": 2}', InvalidBody, "a", "more than once"),
    "a key twice inside": (b'{"b": {"a": 1, "a": 2}}', InvalidBody, "a", "more than once"),
    "half a pair of surrogates": (b'{"a": "\\ud800Rohrdommel"}', InvalidParameter, "a", "lone surrogate"),
    "the other half": (b'{"a": "\\udc00"}', InvalidParameter, "a", "lone surrogate"),
    "a pair in the wrong order": (b'{"a": "\\udc00\\ud800"}', InvalidParameter, "a", "lone surrogate"),
    "half a pair in a list": (b'{"a": ["x", ["\\ud800"]]}', InvalidParameter, "a", "lone surrogate"),
    "half a pair in a key inside": (b'{"a": {"\\ud800": 1}}', InvalidParameter, "a", "lone surrogate"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_plain_json_object_is_refused_and_not_repeated(case: str):
    body, kind, param, part = REFUSED[case]
    with pytest.raises(kind) as caught:
        read(body)
    assert type(caught.value) is kind and caught.value.param == param
    assert part in caught.value.message and CANARY not in caught.value.message and "\n" not in caught.value.message


ACCEPTED: dict[str, tuple[bytes, dict[str, object]]] = {
    "an empty object": (b"{}", {}),
    "spaces around it": (b' \r\n{"a": 1}\t', {"a": 1}),
    "null": (b'{"a": null}', {"a": None}),
    "1e-400, which is zero": (b'{"a": 1e-400}', {"a": 0.0}),
    "the largest number": (b'{"a": 1.7976931348623157e308}', {"a": 1.7976931348623157e308}),
    "a negative zero": (b'{"a": -0}', {"a": 0}),
    "an integer of 20 digits": (b'{"a": 99999999999999999999}', {"a": 99999999999999999999}),
    "keys that differ in case": (b'{"a": 1, "A": 2}', {"a": 1, "A": 2}),
    "one key in two objects": (b'{"a": [{"b": 1}, {"b": 2}]}', {"a": [{"b": 1}, {"b": 2}]}),
    "a pair of surrogates": (b'{"a": "\\ud83d\\ude00"}', {"a": "\U0001f600"}),
    "an escaped NUL": (b'{"a": "\\u0000"}', {"a": "\0"}),
    "escaped controls": (b'{"a": "\\u0001\\u001b[31m\\n"}', {"a": "\x01\x1b[31m\n"}),
    "text from right to left": ('{"a": "\u202eabc"}'.encode(), {"a": "\u202eabc"}),
    "joined emoji": ('{"a": "\U0001f469\u200d\U0001f4bb"}'.encode(), {"a": "\U0001f469\u200d\U0001f4bb"}),
    "composed and decomposed": ('{"a": "\u00e9e\u0301"}'.encode(), {"a": "\u00e9e\u0301"}),
    "private use and no character": ('{"a": "\ue000\uffff"}'.encode(), {"a": "\ue000\uffff"}),
    "32 levels": (nested(32), json.loads(nested(32))),
    "brackets in a text": (json.dumps({"a": '[{"' * 100 + "\\"}).encode(), {"a": '[{"' * 100 + "\\"}),
    "token ids in lists": (b'{"prompt": [[1, 2], [3]]}', {"prompt": [[1, 2], [3]]}),
    "names that are numbers": (b'{"logit_bias": {"50256": -100}}', {"logit_bias": {"50256": -100}}),
    "a hundred fields": (json.dumps({f"f{n}": n for n in range(100)}).encode(), {f"f{n}": n for n in range(100)}),
}


@pytest.mark.parametrize("case", ACCEPTED)
def test_what_is_one_comes_through_as_it_is(case: str):
    body, value = ACCEPTED[case]
    assert read(body) == value


@pytest.mark.parametrize("content_type", [JSON, "Application/JSON", f"{JSON}; charset=utf-8", f'{JSON};charset="UTF8"'])
def test_these_content_types_are_json(content_type: str):
    assert read(b'{"a": 1}', content_type) == {"a": 1}


UNSUPPORTED: dict[str, tuple[str, dict[str, str]]] = {
    "no content type": ("", {}),
    "a text": ("text/plain", {}),
    "nearly JSON": ("text/json", {}),
    "JSON lines": ("application/jsonl", {}),
    "a form": ("application/x-www-form-urlencoded", {}),
    "a multipart form": ("multipart/form-data; boundary=x", {}),
    "another encoding": (f"{JSON}; charset=utf-16", {}),
    "gzip": (JSON, {"Content-Encoding": "gzip"}),
    "deflate and nothing": (JSON, {"Content-Encoding": "deflate, identity"}),
}


@pytest.mark.parametrize("case", UNSUPPORTED)
def test_another_type_or_encoding_is_refused_before_it_is_read(case: str):
    content_type, headers = UNSUPPORTED[case]
    body = gzip.compress(b'{"a": 1}') if "gzip" in headers.values() else b'{"a": 1}'
    with pytest.raises(UnsupportedMediaType, match="Content-Type: application/json"):
        read(body, content_type, headers=headers)


def test_a_query_beside_a_body_is_refused():
    with pytest.raises(InvalidBody, match="in the body, not in the query"):
        read(b'{"a": 1}', query_string="b=2")


@pytest.mark.parametrize("unit", [b"\\", b'"', b"[1],", b'"a":{},', b"\\ud83d\\ude00", b"a"])
def test_a_megabyte_of_anything_is_judged_in_a_moment(unit: bytes):
    started = time.thread_time()  # on the processor: a busy machine must not fail this
    try:
        read(b'{"a": [' + unit * ((1 << 20) // len(unit)))
    except InkwellError:
        pass
    assert time.thread_time() - started < 10  # some 0.1 s; with quadratic time it would be minutes


def test_the_words_of_415_name_what_the_endpoint_takes(client):
    response = client.post("/text-generate", data=b"{}", content_type="text/plain")
    assert "application/x-www-form-urlencoded" in problem(response, 415, "unsupported_media_type")
