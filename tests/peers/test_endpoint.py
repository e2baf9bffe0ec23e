"""Served models, through the real client against a server on this machine."""

from __future__ import annotations

import base64
import json
import logging
import socket
import sys
from collections.abc import Callable
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from medfly.peers.chat_server import ATTEMPTS, ChatServer, Reply, is_loopback
from medfly.peers.endpoint import Endpoint, confidence
from medfly.types import InputError, Sample

from ..stand_in_chat import ChatServerStandIn

openai = pytest.importorskip("openai")


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client waits between attempts as ever, but shortly."""
    monkeypatch.setattr("openai._base_client.INITIAL_RETRY_DELAY", 0.001)


@pytest.fixture
def endpoint(chat_server: ChatServerStandIn) -> Callable[..., Endpoint]:
    return lambda **options: Endpoint(chat_server.address, chat_server.model, **options)


def test_answers_in_order(chat_server: ChatServerStandIn, endpoint, samples: list[Sample]) -> None:
    chat_server.say = lambda question: f" re: {question}\n"
    peer = endpoint()
    answers = list(peer.answer(samples, max_new_tokens=7))
    assert [a.text for a in answers] == [f"re: {s.question}" for s in samples]
    assert [a.question for a in answers] == [s.question for s in samples]
    assert [a.confidence for a in answers] == pytest.approx([0.5] * 3)
    told = answers[2].provenance
    assert (told["weights"], told["fingerprint"], told["model_hash"]) == ("unknown", "fp_1", peer.hash)
    assert told["input_hash"] == samples[2].scan().input_hash
    for body in chat_server.bodies[1:]:
        assert (body["temperature"], body["max_tokens"], body["logprobs"]) == (0, 7, True)
        assert isinstance(body["seed"], int)


def test_the_picture_arrives_as_it_is(chat_server: ChatServerStandIn, endpoint, samples: list[Sample]) -> None:
    list(endpoint().answer(samples))
    sent = [body["messages"][0]["content"][0]["image_url"]["url"] for body in chat_server.bodies]
    for url, sample in zip(sent[1:], samples, strict=True):
        start, _, data = url.partition(",")
        assert start == "data:image/png;base64"
        assert np.array_equal(np.asarray(Image.open(BytesIO(base64.b64decode(data)))), sample.scan().display())
    blank = Image.open(BytesIO(base64.b64decode(sent[0].partition(",")[2])))
    assert blank.getcolors() == [(64 * 64, (0, 0, 0))]  # before anything of a patient's


@pytest.mark.parametrize("trouble", [429, 500, 503, "drop", "slow"])
def test_trouble_that_passes(chat_server: ChatServerStandIn, endpoint, samples: list[Sample], trouble) -> None:
    peer = endpoint(timeout=0.2)
    chat_server.troubles.extend([trouble, trouble])
    assert [a.text for a in peer.answer(samples[:1])] == ["Lung"]
    assert len(chat_server.bodies) == 4


@pytest.mark.parametrize(
    "trouble, words",
    [
        (429, "(429); expected a reply: it has too much to do"),
        (500, "(500); expected a reply: look into its log"),
        (413, "(413); expected a reply: look into its log for what it did not take"),
        (307, "points to another address, which is not followed"),
        ("slow", "no answer in time"),
        ("drop", "no connection, or it broke off"),
        ("html", "no chat completion"),
        ("empty", "no chat completion"),
    ],
)
def test_trouble_that_stays(chat_server, endpoint, samples: list[Sample], trouble, words: str, caplog) -> None:
    """One line with the question's id, and neither its words nor the server's, which repeat them."""
    peer = endpoint(timeout=0.1)
    chat_server.troubles.extend([trouble] * ATTEMPTS)
    with caplog.at_level(logging.DEBUG), pytest.raises(InputError, match=r"^question 1: 127\.0\.0\.1:") as told:
        list(peer.answer(samples))
    assert words in str(told.value) and "\n" not in str(told.value)
    assert "Which organ" not in str(told.value) + caplog.text and "trouble with" not in str(told.value)


def test_what_was_answered_before_is_given(chat_server, endpoint, samples: list[Sample]) -> None:
    """The runner keeps each answer as it comes, so a server's end costs one question only."""
    answers = endpoint().answer(samples)
    assert next(answers).text == "Lung"
    chat_server.troubles.extend([500] * ATTEMPTS)
    with pytest.raises(InputError, match=r"^question 2: "):
        next(answers)


def test_nobody_there() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(InputError, match=f"^127.0.0.1:{port}: no connection.*start it, or correct --base_url$"):
        Endpoint(f"http://127.0.0.1:{port}/v1", "any")


def test_another_model(chat_server: ChatServerStandIn) -> None:
    with pytest.raises(InputError, match=r"\(404\).*no model 'other' there: choose one of its models: tiny-vl$"):
        Endpoint(chat_server.address, "other")


def test_another_path(chat_server: ChatServerStandIn) -> None:
    with pytest.raises(InputError, match="look whether --base_url lacks /v1"):
        Endpoint(chat_server.address.removesuffix("/v1"), chat_server.model)


def test_a_server_without_eyes(chat_server: ChatServerStandIn, endpoint) -> None:
    chat_server.pictures = False
    with pytest.raises(InputError, match=r"\(400\).*answers without a picture: choose a model that takes pictures$"):
        endpoint()


def test_busy_at_first_is_not_without_eyes(chat_server: ChatServerStandIn, endpoint) -> None:
    chat_server.troubles.append(429)
    with pytest.raises(InputError, match="too much to do"):
        endpoint()
    assert len(chat_server.bodies) == 1


@pytest.mark.parametrize("able", ["tells_logprobs", "takes_logprobs"])
def test_without_logprobs_no_confidence(chat_server, endpoint, samples: list[Sample], able: str) -> None:
    chat_server.tells_logprobs = False
    setattr(chat_server, able, False)
    assert [a.confidence for a in endpoint().answer(samples)] == [None] * 3


@pytest.mark.parametrize(
    "logprobs, expected",
    [((), None), ((0.0,), 1.0), ((1e-7, 0.0), 1.0), ((-1.0, -3.0), np.exp(-2)), ((np.nan,), None), ((2.0,), None)],
)
def test_confidence(logprobs: tuple[float, ...], expected: float | None) -> None:
    assert confidence(Reply("", logprobs)) == pytest.approx(expected)


@pytest.mark.parametrize("name", ["MEDFLY_API_KEY", "OPENAI_API_KEY"])
def test_the_key_comes_from_the_environment(chat_server, endpoint, monkeypatch, samples, name: str) -> None:
    chat_server.key = "s3cret"
    with pytest.raises(InputError, match=r"\(401\).*environment variable MEDFLY_API_KEY$"):
        endpoint()
    monkeypatch.setenv(name, "s3cret")
    peer = endpoint()
    answer = next(iter(peer.answer(samples)))
    assert chat_server.keys[-1] == "Bearer s3cret"
    assert "s3cret" not in json.dumps(answer.to_dict()) + peer.name + peer.hash


def test_a_wrong_key_is_not_printed(endpoint, chat_server, monkeypatch) -> None:
    chat_server.key = "right"
    monkeypatch.setenv("MEDFLY_API_KEY", "wr0ng")
    with pytest.raises(InputError) as told:
        endpoint()
    assert "wr0ng" not in str(told.value)


def test_identity(chat_server: ChatServerStandIn, endpoint) -> None:
    first, again = endpoint(), endpoint()
    assert first.hash == again.hash and first.name == f"tiny-vl at 127.0.0.1:{chat_server.server_port}"
    chat_server.fingerprint = "fp_2"
    assert endpoint().hash != first.hash


def test_another_fingerprint_on_the_way_is_told_once(chat_server, endpoint, samples: list[Sample]) -> None:
    peer = endpoint()
    chat_server.fingerprint = "fp_2"
    with pytest.warns(UserWarning, match="changed from fp_1 to fp_2") as told:
        answers = list(peer.answer(samples))
    assert len(told) == 1 and answers[0].provenance["fingerprint"] == "fp_2"


@pytest.mark.parametrize(
    "url, words",
    [
        ("http://gpu.hospital.example:8000/v1", "would be sent to it, unencrypted: say --allow_upload"),
        ("https://api.example.com/v1", "every question would be sent to it: say --allow_upload"),
        ("http://localhost.example.com/v1", "is not this machine"),
        ("http://10.0.0.1/v1", "is not this machine"),
        ("https://user:pass@127.0.0.1/v1", "a password in it"),
        ("127.0.0.1:8000", "no address"),
        ("ftp://127.0.0.1/", "no address"),
        ("http://127.0.0.1:port/", "no address"),
        ("", "no address"),
    ],
)
def test_addresses_at_fault(url: str, words: str, monkeypatch) -> None:
    monkeypatch.setattr(socket.socket, "connect", lambda *_: pytest.fail("it connected"))
    with pytest.raises(InputError, match=words) as told:
        Endpoint(url, "any")
    assert "pass@" not in str(told.value)


@pytest.mark.parametrize(
    "host, here",
    [
        *[(host, True) for host in ("localhost", "127.0.0.1:80", "127.9.9.9", "[::1]:8000", "LOCALHOST:1")],
        *[(host, False) for host in ("example.com", "192.168.0.1", "0.0.0.0", "127.0.0.1.example.com", "")],
    ],
)
def test_this_machine(host: str, here: bool) -> None:
    assert is_loopback(host) == here


def test_upload_where_the_user_says_so() -> None:
    assert ChatServer("https://api.example.com/v1", "any", what="all", allow_upload=True).host == "api.example.com"


def test_a_proxy_gets_nothing_for_this_machine(chat_server, endpoint, monkeypatch, samples) -> None:
    """HTTP_PROXY would carry what is meant for this machine to another."""
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9")
    assert next(iter(endpoint().answer(samples))).text == "Lung"


def test_no_question_in_the_clients_own_log(chat_server, endpoint, monkeypatch, samples, caplog) -> None:
    """Not even where its log is asked for: of another version of the client that would have to be seen to."""
    monkeypatch.setenv("OPENAI_LOG", "debug")
    openai._utils._logs.setup_logging()
    list(endpoint().answer(samples))
    assert "Sending HTTP Request" in caplog.text
    assert "organ" not in caplog.text and "base64" not in caplog.text


def test_without_the_package(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "openai", None)
    with pytest.raises(InputError, match=r'pip install "medfly\[endpoint\]"$'):
        Endpoint("http://127.0.0.1:1/v1", "any")
