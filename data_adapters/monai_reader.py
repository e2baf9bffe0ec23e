"""MedFly's files inside MONAI: `LoadImaged(keys, reader=MedFlyReader())` (extra `[monai]`).

What comes out is what MONAI's other readers give: arrays indexed (x, y[, z]) as (column, row, slice), an affine from
these indices to millimetres in RAS (right, anterior, superior), and values in the file's own unit (HU for CT).
Unlike monai.data.PydicomReader it knows modality LUTs and the groups of enhanced objects, sorts slices by their
positions and not by their numbers, and refuses a stack that no affine describes.

By default values stay physical: no window is applied and nothing is inverted, so that MONOCHROME1 comes as it is
stored, with meta["inverted"] True. With a window they are what a radiologist would see, 0 (black) to 255 (white).
Padding keeps its values. It resamples nothing, turns nothing over, and gives no text of the file to the metadata.
"""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike, fspath
from pathlib import Path
from typing import Any

import numpy as np

from data_adapters.refusal import naming, refusal
from data_adapters.source import read
from medfly.types import InputError, Scan, VoiLut, Volume, Window

try:
    from monai.data.image_reader import ImageReader
    from monai.utils.enums import MetaKeys, SpaceKeys
except ImportError:
    raise InputError('found no MONAI; expected it for this reader; pip install "medfly[monai]"') from None

LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
RESAMPLE = "resample it first, or load single frames"


class MedFlyReader(ImageReader):
    """Reads all that `data_adapters.read` does: files, folders, ZIP archives and DICOMDIRs with one series.

    window: None for physical values; else a Window, a preset's name ("lung") or "WIDTH/LEVEL" ("1500/-600"), as in
        Scan.display.
    frame: 0-based, to load one frame of a file or series that has several.

    Slices in space are the third axis. Frames in time, pages and colours are channels, the last axis, which
    EnsureChannelFirst finds by meta["original_channel_dim"]. Several paths are several channels, each path read by
    itself. Of a 4-D NIfTI file it is the first volume, as meta["notes"] says.
    """

    def __init__(self, window: Window | VoiLut | str | None = None, frame: int | None = None) -> None:
        super().__init__()
        self.window, self.frame = window, frame

    def verify_suffix(self, filename: Sequence[PathLike[str] | str] | PathLike[str] | str) -> bool:
        """True: content decides what can be read, not names."""
        return True

    def read(self, data: Sequence[PathLike[str] | str] | PathLike[str] | str, **kwargs: Any) -> list[Path]:
        """The paths. Reading waits for get_data: whatever this method raises, LoadImage tries its next reader, and
        what is refused here for a reason would come from there with wrong values or places."""
        if kwargs:
            raise TypeError(f"MedFlyReader.read() takes no {', '.join(kwargs)}")
        return [Path(fspath(path)) for path in ([data] if isinstance(data, str | PathLike) else data)]

    def get_data(self, img: Sequence[Path]) -> tuple[np.ndarray, dict[str, Any]]:
        """The values and metadata of what `read` named: float32, or uint8 for colour and windowed values.

        Metadata: affine and original_affine, space, spatial_shape, original_channel_dim, placed, unit, modality,
        inverted, notes (one text; fixed words and numbers only). placed: False where the file does not say where the
        pixels are; then the affine only scales, by the spacing if that is known.
        Raises InputError for what cannot be read, or cannot be one array with one affine.
        """
        arrays, metas = zip(*(self._loaded(path) for path in img), strict=True)
        first = metas[0]
        if len(img) == 1:
            return arrays[0], first
        same = all(array.shape == arrays[0].shape for array in arrays)
        if not same or not all(np.allclose(meta[MetaKeys.AFFINE], first[MetaKeys.AFFINE]) for meta in metas):
            raise refusal(f"{len(img)} images of different size or place", "the same for all", "load them apart")
        has_channels = first[MetaKeys.ORIGINAL_CHANNEL_DIM] == -1
        joined = np.concatenate(arrays, axis=-1) if has_channels else np.stack(arrays, axis=-1)
        return joined, first | {MetaKeys.ORIGINAL_CHANNEL_DIM: -1}

    def _loaded(self, path: Path) -> tuple[np.ndarray, dict[str, Any]]:
        opened = read(path) if self.frame is None else read(path, frame=self.frame)
        with naming(repr(str(path))):
            if isinstance(opened, Scan):
                array = self._values(opened)
                return array, self._meta(opened, _affine(opened, [opened.affine]), array, spatial=2)
            array, first, places = self._filled(opened)
            if opened.order == "space":
                if first.affine is not None and opened.gap is None and len(opened) > 1:
                    raise refusal(f"slices at uneven places ({'; '.join(opened.notes)})", "an even stack", RESAMPLE)
                return array, self._meta(first, _affine(first, places, opened.gap), array, spatial=3)
            if array.ndim == 4:
                raise refusal(f"{len(opened)} colour pictures", "one, or slices in space", "choose a frame")
            return array, self._meta(first, _affine(first, places[:1]), array, spatial=2)

    def _filled(self, volume: Volume) -> tuple[np.ndarray, Scan, list[np.ndarray | None]]:
        """[columns, rows, frames] or [columns, rows, frames, 3], the first scan, and every scan's affine."""
        first = volume[0]
        one = self._values(first)
        array = np.empty((*one.shape[:2], len(volume), *one.shape[2:]), one.dtype)
        places = []
        for number, scan in enumerate(volume):
            values = self._values(scan)
            if values.shape != one.shape:
                raise refusal("pictures of different sizes", "one size", "choose a frame")
            array[:, :, number] = values
            places.append(scan.affine)
        return array, first, places

    def _values(self, scan: Scan) -> np.ndarray:
        """[columns, rows] or [columns, rows, 3]"""
        values = scan.pixels
        if self.window is not None and values.ndim == 2:
            values = scan.display(self.window)[..., 0]
        return values.swapaxes(0, 1)

    def _meta(self, scan: Scan, affine: np.ndarray, array: np.ndarray, spatial: int) -> dict[str, Any]:
        return {
            MetaKeys.AFFINE: affine,
            MetaKeys.ORIGINAL_AFFINE: affine.copy(),
            MetaKeys.SPACE: SpaceKeys.RAS,
            MetaKeys.SPATIAL_SHAPE: np.array(array.shape[:spatial]),
            MetaKeys.ORIGINAL_CHANNEL_DIM: float("nan") if array.ndim == spatial else -1,
            "placed": scan.affine is not None,
            "unit": (scan.unit or "") if self.window is None else "",
            "modality": scan.modality or "",
            "inverted": scan.inverted and self.window is None,
            "notes": "; ".join(scan.notes),
        }


def _affine(first: Scan, places: list[np.ndarray | None], gap: float | None = None) -> np.ndarray:
    """[4, 4]: (column, row, slice, 1) → RAS millimetres. The third column of a single plane is its unit normal.

    places: the affine of each slice of a stack. Raises InputError where one affine is not right for all of them, to
        half a pixel or a tenth of the step between slices.
    """
    if all(place is None for place in places):
        rows, columns = first.spacing or (1.0, 1.0)
        return np.diag([columns, rows, gap or 1.0, 1.0])
    known = [place for place in places if place is not None]
    affine = known[0].copy()
    if len(known) > 1:
        affine[:3, 2] = (known[-1] - known[0])[:3, 3] / (len(known) - 1)  # sheared if the gantry was tilted
    width, height = first.size
    corners = np.array([(x, y, 0, 1) for x in (0, width - 1) for y in (0, height - 1)]).T
    column, row, step = np.linalg.norm(affine[:3, :3], axis=0)
    beside = [
        np.abs(place @ corners - affine @ corners - number * affine[:, 2:3]).max() for number, place in enumerate(known)
    ]
    if len(known) < len(places) or max(beside) > max(column / 2, row / 2, step / 10):
        raise refusal("slices that no single affine puts where they are", "an even stack", RESAMPLE)
    return LPS_TO_RAS @ affine
