"""A vision-language model behind an OpenAI-compatible server as a peer: a PNG and a question in, an answer out.

Nothing is known of the weights behind it but what the server says of itself, and every answer's provenance says so.
"""

from __future__ import annotations

import hashlib
import json
import math
import warnings
from base64 import b64encode
from collections.abc import Iterable, Iterator
from importlib.metadata import version
from io import BytesIO
from typing import Any

from PIL import Image

from medfly.peers import shown
from medfly.peers.chat_server import PROBE, ChatServer, Refused, Reply
from medfly.types import Answer, InputError, Sample, naming_question

NO_PICTURES = (400, 404, 415, 422, 500, 501)
"""HTTP's statuses with which servers refuse a picture."""
WHAT = "every picture, with whatever is written in it, and every question"


class Endpoint:
    """A served model that can be asked about samples.

    A blank picture is sent first, so that a server that is not there, or takes no pictures, is known before it gets
    anything else. name: the model's id and the host; hash: SHA-256 over the two and the server's fingerprint, which
    does not change with every change of the weights.
    Raises InputError where the server cannot be asked, or may not be, see `ChatServer`.
    """

    def __init__(self, base_url: str, model: str, *, allow_upload: bool = False, timeout: float = 300) -> None:
        self.server = ChatServer(base_url, model, what=WHAT, allow_upload=allow_upload, timeout=timeout)
        self.fingerprint = self._probed()
        self.name = f"{model} at {self.server.host}"
        known = json.dumps([self.name, self.server.host, model, self.fingerprint])
        self.hash = hashlib.sha256(known.encode()).hexdigest()

    def answer(self, samples: Iterable[Sample], *, max_new_tokens: int = 64) -> Iterator[Answer]:
        """Answer samples in their order, one by one; samples of one image that stand together share its PNG.

        An answer's confidence is the geometric mean of the probabilities of the tokens that the server tells them for,
        which may leave out the end token; None where it tells none.
        Raises InputError with the id of the question that cannot be answered. Warns where the server's fingerprint
        changes on the way: then later answers may be of another model.
        """
        last, url = None, ""
        for sample, seen in shown.with_pictures(samples):
            if seen is not last:
                last, url = seen, data_url(seen.picture)
            with naming_question(sample):
                said = self.server.reply(
                    [{"role": "user", "content": _content(url, sample.question)}], max_tokens=max_new_tokens
                )
            if said.fingerprint != self.fingerprint:
                self._warn(said.fingerprint)
            told = self._provenance(seen, said.fingerprint)
            yield Answer(sample.question, said.text.strip(), confidence(said), provenance=told)

    def _probed(self) -> str | None:
        """The server's fingerprint. Raises InputError where it cannot be asked about a picture."""
        blank = data_url(Image.new("RGB", (64, 64)))
        try:
            return self.server.probe(_content(blank, PROBE)).fingerprint
        except Refused as error:
            if error.status not in NO_PICTURES:
                raise
            refused = str(error)
        self.server.probe()  # raises the same again where the picture was not the reason
        raise InputError(f"{refused}; it answers without a picture: choose a model that takes pictures")

    def _warn(self, fingerprint: str | None) -> None:
        warnings.warn(
            f"{self.server.host}: its fingerprint changed from {self.fingerprint} to {fingerprint}; answers before and "
            "after may be of different models",
            stacklevel=3,
        )
        self.fingerprint = fingerprint

    def _provenance(self, seen: shown.Shown, fingerprint: str | None) -> dict[str, Any]:
        return shown.provenance(
            seen,
            self.name,
            self.hash,
            {"openai": version("openai")},
            precision=None,
            weights="unknown",
            fingerprint=fingerprint,
        )


def data_url(picture: Image.Image) -> str:
    """The picture as a PNG within a URL."""
    file = BytesIO()
    picture.save(file, "PNG")
    return f"data:image/png;base64,{b64encode(file.getvalue()).decode()}"


def confidence(said: Reply) -> float | None:
    """The geometric mean of the tokens' probabilities, 0 … 1; None where there is none or one is no probability."""
    if not said.logprobs:
        return None
    mean = sum(said.logprobs) / len(said.logprobs)
    return min(math.exp(mean), 1.0) if mean < 1e-3 else None  # rounding may put it above 0; NaN is not below


def _content(url: str, text: str) -> list[dict[str, Any]]:
    return [{"type": "image_url", "image_url": {"url": url}}, {"type": "text", "text": text}]
