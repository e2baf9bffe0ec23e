"""Samples about made pictures, and a chat server of this machine's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pytest

from medfly.types import Sample, Scan


@dataclass
class Made:
    """A loader that counts how often its scan is opened."""

    scan: Scan
    content_hash: str = "0" * 64
    opened: int = 0

    def __call__(self) -> Scan:
        self.opened += 1
        return self.scan


@pytest.fixture
def made() -> Callable[..., Made]:
    """A scan of seeded noise, [12, 20]; more: Scan's other fields."""

    def make(seed: int = 0, **more: object) -> Made:
        pixels = np.random.default_rng(seed).normal(40, 80, (12, 20)).astype(np.float32)
        return Made(Scan(pixels, unit="HU", input_hash=f"{seed:064}", **more))  # type: ignore[arg-type]

    return make


@pytest.fixture
def samples(made: Callable[..., Made]) -> list[Sample]:
    """Three questions: two about one picture, one about another."""
    first, second = made(0), made(1)
    return [
        Sample(1, "a.png", "Which organ is this?", first),
        Sample(2, "a.png", "Is it healthy?", first),
        Sample("3", "b.png", "Which plane?", second),
    ]


@pytest.fixture(autouse=True)
def no_keys(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The tester's own keys and proxies have no part in the tests."""
    for name in ("MEDFLY_API_KEY", "OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_LOG", "HTTP_PROXY", "http_proxy"):
        monkeypatch.delenv(name, raising=False)
    yield
