"""NIfTI-1 and NIfTI-2 → Scan and Volume, turned the way a radiologist looks at them.

Which axis the slices are stacked along, the first rule that fits: the one that the header names (dim_info); the only
axis of length one; an axis of clearly coarser steps than both others; the third, as the standard means it. So a volume
stays in the plane that it was acquired in, and nothing is resampled. Each plane is turned for display: axial with
the patient's right on the left and the front up, coronal with the right on the left and the head up, sagittal with
the front on the left and the head up; slices ascend along columns × rows, as DICOM's are sorted: towards the head, the
back or the right. A note says how the file was stored, and Scan.affine leads back: with the file's own affine A (RAS)

    inv(A) @ diag(-1, -1, 1, 1) @ scan.affine @ (column, row, 0, 1)   are the voxel's indices (i, j, k, 1).

Sizes are checked in the header first; plain files are mapped and read slice by slice, gzipped ones inflated once per
process up to MAX_INFLATED bytes.
It does not know what the values mean: the format promises no Hounsfield units, no modality and no window, so there
are none. It reads no pairs (.hdr/.img), no surfaces and no vectors.
"""

from __future__ import annotations

import functools
import gzip
import hashlib
import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import numpy as np

from data_adapters.nifti_header import REPAIR, Grid, is_gzip, looks_like_nifti, read_grid
from data_adapters.refusal import refusal, refusing
from medfly.types import Order, Scan, Volume, frame_hash

__all__ = ["looks_like_nifti", "read_nifti"]


def read_nifti(
    source: Path | bytes, frame: int | None = None, *, volume: int | None = None, at_slice: int | None = None
) -> Scan | Volume:
    """A Volume of [H, W] float32 slices (or [H, W, 3] uint8 for RGB), or one Scan.

    source: a path, or the whole file's bytes; plain or gzipped.
    frame: 0-based, gives a Scan; frames go on into the further volumes of a 4-D file: volume × slices + slice.
    volume: 0-based, which stack of a 4-D file; without it the first is taken, and a note says so.
    at_slice: instead of a stack, this slice through all volumes of a 4-D file, in the order of time.
    Without any of them a file with one slice is a Scan. A voxel that is no finite number is padding.
    Raises InputError, and nothing else, for what is damaged, too large, complex-valued or no image.
    """
    with refusing("a NIfTI file that cannot be decoded", "a valid .nii or .nii.gz", REPAIR):
        grid = read_grid(source)
        frames, order, notes = _choice(grid, volume, at_slice)
        digest = _sha256(source)
        if frame is not None:
            if not 0 <= frame < grid.frames:
                raise refusal(f"frame {frame} of {grid.frames}", f"0 to {grid.frames - 1}", "choose one of these")
            return NiftiSlice(source, digest, frame)()
        loaders = tuple(NiftiSlice(source, digest, number) for number in frames)
        if grid.frames == 1:
            return loaders[0]()
        is_stack = order == "space" and len(loaders) > 1
        gap = float(grid.steps[2]) if grid.steps is not None and grid.in_millimetres and is_stack else None
        return Volume(loaders, order, gap=gap, notes=notes)


@dataclass(frozen=True)
class NiftiSlice:
    """A medfly.types.ScanLoader for one slice. frame: volume × slices + slice; digest: SHA-256 of the file."""

    source: Path | bytes = field(repr=False)
    digest: str
    frame: int

    @property
    def content_hash(self) -> str:
        return frame_hash(self.digest, self.frame)

    def __call__(self) -> Scan:
        """Read the slice now. Raises InputError as `read_nifti` does."""
        with refusing("a NIfTI file that cannot be decoded", "a valid .nii or .nii.gz", REPAIR):
            return _slice(self, read_grid(self.source))


def _choice(grid: Grid, volume: int | None, at_slice: int | None) -> tuple[range, Order, tuple[str, ...]]:
    """Which frames make the Volume, what their order means, and what the user should know of it."""
    slices, volumes = grid.slices, grid.shape[3]
    for name, value, count in (("volume", volume, volumes), ("at_slice", at_slice, slices)):
        if value is not None and not 0 <= value < count:
            raise refusal(f"{name} {value}", f"0 to {count - 1}", "choose one of these")
    if volume is not None and at_slice is not None:
        raise refusal("both volume and at_slice", "at most one of them", "use frame for a single slice")
    if at_slice is not None or (slices == 1 and volume is None and volumes > 1):
        return range(at_slice or 0, grid.frames, slices), "time", ()
    first = (volume or 0) * slices
    unasked = volumes > 1 and volume is None
    notes = ("the first volume of a 4-D file, as none was asked for",) if unasked else ()
    return range(first, first + slices), "space", notes


def _slice(loader: NiftiSlice, grid: Grid) -> Scan:
    from nibabel.orientations import apply_orientation

    volume, number = divmod(loader.frame, grid.slices)
    stored = round((grid.to_voxel @ (0, 0, number, 1))[grid.slice_axis])
    index: list[slice | int] = [slice(None), slice(None), slice(None), volume]
    index[grid.slice_axis] = slice(stored, stored + 1)
    slab = np.array(_voxels(loader, grid)[tuple(index)])
    raw = apply_orientation(slab, grid.turn)[:, :, 0].T  # [columns, rows, 1] → [H, W]
    pixels, padding, more = _pixels(raw, grid)
    if grid.shape[3] > 1:
        more.append(f"volume {volume} of {grid.shape[3]} (0-based)")
    column, row, _ = (None, None, None) if grid.steps is None else map(float, grid.steps)
    in_patient = None
    if grid.affine is not None:
        in_patient = grid.affine @ grid.to_voxel
        in_patient[:, 3] = in_patient @ (0, 0, number, 1)
    return Scan(
        pixels,
        padding=padding,
        spacing=(row, column) if row and column and grid.in_millimetres else None,
        aspect=row / column if row and column and not grid.in_millimetres else None,
        affine=in_patient,
        frame=loader.frame,
        input_hash=loader.digest,
        notes=(*grid.notes, *more),
    )


def _pixels(raw: np.ndarray, grid: Grid) -> tuple[np.ndarray, np.ndarray | None, list[str]]:
    if raw.dtype.names:  # RGB24 and RGBA32: structures of R, G, B and perhaps A; no scaling, says the standard
        notes = ["transparency ignored"] if "A" in raw.dtype.names else []
        return np.stack([raw[name] for name in "RGB"], axis=-1), None, notes
    with np.errstate(over="ignore", invalid="ignore"):
        pixels = raw if (grid.slope, grid.inter) == (1, 0) else raw.astype(np.float64) * grid.slope + grid.inter
        pixels = np.ascontiguousarray(pixels, dtype=np.float32)
    odd = ~np.isfinite(pixels)
    if not odd.any():
        return pixels, None, []
    pixels[odd] = 0
    return pixels, odd, [f"{int(odd.sum())} voxels are no finite numbers and count as padding"]


def _sha256(source: Path | bytes) -> str:
    if isinstance(source, bytes):
        return hashlib.sha256(source).hexdigest()
    with source.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _voxels(loader: NiftiSlice, grid: Grid) -> np.ndarray:
    """(i, j, k, volumes) as stored; mapped, so that only what is sliced out of it is read."""
    source = loader.source
    if is_gzip(source):
        source = _inflated(source, loader.digest, grid.end)
    if isinstance(source, bytes):
        return np.ndarray(grid.shape, grid.dtype, source, grid.offset, order="F")
    return np.memmap(source, grid.dtype, "r", grid.offset, grid.shape, order="F")


@functools.lru_cache(maxsize=1)  # the slices of one volume are asked for one after the other
def _inflated(source: Path | bytes, digest: str, end: int) -> bytes:
    """The first `end` bytes of a gzipped file; never more, however much there is."""
    opened: IO[bytes] = io.BytesIO(source) if isinstance(source, bytes) else source.open("rb")
    with opened, gzip.GzipFile(fileobj=opened) as file:
        data = file.read(end)
        file.read(1)  # where that is the end of the file, the checksum is looked at
    if len(data) < end:
        raise refusal(f"{len(data):,} bytes where the header needs {end:,}", "a whole file", "fetch it again")
    return data
