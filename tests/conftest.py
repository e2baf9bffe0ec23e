"""What tests of several packages share: a Dragonfly of seeded random weights, small enough to answer in a blink."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from .stand_in_chat import ChatServerStandIn
from .stand_in_hub import Hub

# The same examples for everybody, so that a change that fails is a change that broke something; new ones are looked for
# with HYPOTHESIS_PROFILE=default.
settings.register_profile("same", derandomize=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))

TINY_TEXTS = (
    "What modality is used to take this image?",
    "Which part of the body does this image belong to?",
    "Is the lung healthy? Yes, it is. No, it is not.",
    "Where is the liver in this image? Left, right, upper left, lower right.",
    "Does the picture contain the spleen, the kidney, the heart or the brain? CT, MRI, X-Ray.",
)


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Hashes of the tests' files are kept apart from the user's, and for this run only."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MEDFLY_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture
def hub() -> Iterator[Hub]:
    """A stand-in for the Hugging Face hub, without repositories at first."""
    server = Hub()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def chat_server() -> Iterator[ChatServerStandIn]:
    """A stand-in for a served model."""
    server = ChatServerStandIn()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def near(hub: Hub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Hub:
    """The stand-in, in place of the hub for this process and those that it starts."""
    from huggingface_hub import constants  # only for the tests that fetch

    template = constants.HUGGINGFACE_CO_URL_TEMPLATE.replace(constants.ENDPOINT, hub.address)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "ENDPOINT", hub.address)
    for name, place in (("HF_HUB_CACHE", "home"), ("HF_TOKEN_PATH", "no_token")):
        monkeypatch.setattr(constants, name, str(tmp_path / place))
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_ENDPOINT", hub.address)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    return hub


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a saved random model with its processor; its answers mean nothing, but are always the same."""
    from medfly.training.recipe import Scratch, new_model  # torch: only for the tests that ask for a model

    scratch = Scratch(
        vocab_size=300,
        tower={"widths": [8, 8, 8, 16]},
        decoder={
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "num_key_value_heads": 2,
            "max_position_embeddings": 2048,
            "tie_word_embeddings": True,
        },
        dragonfly={"crop_size": 32, "patch_grid": 2, "pool_windows": {"low": 1, "medium": 2, "high": 2}},
    )
    model, processor = new_model(scratch, TINY_TEXTS, seed=0)
    folder = tmp_path_factory.mktemp("tiny_model")
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_llava(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of another model than ours, see tests/tiny_llava.py."""
    from .tiny_llava import save  # torch: only for the tests that ask for a model

    folder = tmp_path_factory.mktemp("tiny_llava")
    save(folder)
    return folder
