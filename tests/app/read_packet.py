"""A packet read back by the text of app/canvas/packet.py alone, with numpy: the other side of `pack`."""

from __future__ import annotations

import json
from typing import Any

import numpy as np


class Packet:
    def __init__(self, data: bytes) -> None:
        length = int.from_bytes(data[:4], "little")
        self.header: dict[str, Any] = json.loads(data[4 : 4 + length])
        self.blobs = data[4 + length :]
        self.start = 4 + length

    def blob(self, place: list[int], kind: str) -> np.ndarray:
        offset, length = place
        assert (self.start + offset) % 4 == 0
        assert 0 <= offset <= offset + length <= len(self.blobs)
        return np.frombuffer(self.blobs[offset : offset + length], kind)

    def mask(self, image: dict[str, Any], name: str) -> np.ndarray:
        """[H, W] bool; all False where there is none."""
        shape = image["height"], image["width"]
        if image[name] is None:
            return np.zeros(shape, bool)
        bits = self.blob(image[name], "u1")
        return np.array([bits[i // 8] >> (i % 8) & 1 for i in range(shape[0] * shape[1])], bool).reshape(shape)

    def values(self, image: dict[str, Any]) -> np.ndarray:
        """[H, W] float32, not-a-number where there is no image; [H, W, 3] uint8 of colour."""
        shape = image["height"], image["width"]
        if image["kind"] == "rgb":
            return self.blob(image["pixels"], "u1").reshape(*shape, 3)
        found = self.blob(image["pixels"], {"u16": "<u2", "f32": "<f4"}[image["kind"]]).reshape(shape)
        if image["kind"] == "u16":
            assert found.max(initial=0) == image["top"] < 65535, "one code is left over for pixels without an image"
            found = (found * np.float64(image["slope"]) + image["intercept"]).astype(np.float32)
        return np.where(self.mask(image, "padding"), np.nan, found).astype(np.float32)
