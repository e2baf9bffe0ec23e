"""`medfly ask --sensitivity`: variations in the JSON, and what it does not go with."""

from __future__ import annotations

import json

import pytest

import medfly
from data_adapters import read
from medfly.sensitivity import vary
from medfly.types import Scan

QUESTION = "Is there a liver in this image?"


def test_json_has_what_python_gives(cli, package_file, tiny_model) -> None:
    image = package_file("CT_small.dcm")
    options = ("--json", "--no_evidence", "--max_new_tokens", 3, "--model", tiny_model)
    status, out, err = cli("ask", image, QUESTION, "Größe?", "--sensitivity", "--window", "lung", *options)
    assert status == 0 and "sensitivity: " in err
    first, second = map(json.loads, out.splitlines())
    scan = read(image)
    assert isinstance(scan, Scan)
    expected = vary(medfly.load(str(tiny_model)), scan, QUESTION, window="lung", max_new_tokens=3)
    near = [one | {"confidence": pytest.approx(one["confidence"], rel=1e-4)} for one in map(dict, map(vars, expected))]
    assert first["variations"] == near
    assert {one["kind"] for one in second["variations"]} == {one.kind for one in expected} - {"paraphrase"}
    plain = json.loads(cli("ask", image, QUESTION, "--window", "lung", *options).out)
    assert plain["variations"] == [] and plain["text"] == first["text"]


def test_text_output(cli, package_file, tiny_model) -> None:
    options = ("--no_evidence", "--max_new_tokens", 2, "--model", tiny_model)
    status, out, _ = cli("ask", package_file("examples_overlay.dcm"), QUESTION, "--sensitivity", *options)
    assert status == 0 and QUESTION in out


@pytest.mark.parametrize("other", ["--no_image", "--conversation", "--stream"])
def test_what_it_does_not_go_with(cli, package_file, other: str) -> None:
    words = [QUESTION] if other == "--no_image" else [package_file("CT_small.dcm"), QUESTION]
    status, out, err = cli("ask", *words, "--sensitivity", other)
    assert status == 2 and out == ""
    assert f"--sensitivity and {other}" in err and "expected" in err and err.strip().count("\n") == 0
