"""What a NIfTI header says, checked: where the voxels are, how they lie in the patient, and how to turn them.

It reads the first bytes of a file only, knows no voxel, and refuses sizes that the file cannot hold.
"""

from __future__ import annotations

import logging
import math
import zlib
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from data_adapters.refusal import refusal

MAX_INFLATED = 1024**3
MAX_PIXELS = 89_478_485  # of one slice, as for a picture
MAX_FRAMES = 100_000
# Where the magic is, by the header's own first field, its size: NIfTI-1 (and ANALYZE 7.5, without one), NIfTI-2.
MAGIC = {348: slice(344, 348), 540: slice(4, 8)}
SINGLE, PAIR = (b"n+1\0", b"n+2\0"), (b"ni1\0", b"ni2\0")
TO_MILLIMETRES = {1: 1000.0, 2: 1.0, 3: 0.001}  # by nifti1.h's codes for metre, millimetre and micron
FARTHEST = 1e6  # mm; no patient is larger
COARSER = 1.5
LPS = np.diag([-1.0, -1.0, 1.0, 1.0])  # from nibabel's right, anterior, superior to DICOM's
# Where columns, rows and slices ascend to, by the patient's axis that the slices are stacked along.
PLANES = {"S": ("axial", "LPS"), "P": ("coronal", "LIP"), "L": ("sagittal", "PIR")}
REPAIR = "convert it again from the original images"


def looks_like_nifti(data: bytes) -> bool:
    """Does the file begin as NIfTI-1, NIfTI-2 or ANALYZE 7.5 does, plain or gzipped? The first 4 kB are enough."""
    head = _head(data)
    return _kind(head) in (*SINGLE, *PAIR) or _is_analyze(head)


class Grid(NamedTuple):
    """What the header says, checked. shape: (i, j, k, volumes); affine: voxel (i, j, k, 1) → LPS mm, or None.

    turn: nibabel's orientation transform from (i, j, k) to (column, row, slice); to_voxel: [4, 4] back again.
    steps: [3] between columns, rows and slices, in millimetres or, where the unit is unknown, in that unit; or None.
    """

    shape: tuple[int, int, int, int]
    dtype: np.dtype[Any]
    offset: int
    slope: float
    inter: float
    affine: np.ndarray | None
    turn: np.ndarray
    to_voxel: np.ndarray
    steps: np.ndarray | None
    in_millimetres: bool
    notes: tuple[str, ...]

    @property
    def slice_axis(self) -> int:
        return int(np.flatnonzero(self.turn[:, 0] == 2)[0])

    @property
    def slices(self) -> int:
        return self.shape[self.slice_axis]

    @property
    def frames(self) -> int:
        return self.slices * self.shape[3]

    @property
    def end(self) -> int:
        """Length of the file, in bytes, that the voxels need."""
        return self.offset + math.prod(self.shape) * self.dtype.itemsize


def read_grid(source: Path | bytes) -> Grid:
    from nibabel.nifti1 import Nifti1Header
    from nibabel.nifti2 import Nifti2Header

    head = _head(source if isinstance(source, bytes) else _first_bytes(source))
    kind = _kind(head)
    if kind in PAIR or _is_analyze(head):
        raise refusal(
            "the header of a pair of files (.hdr and .img)",
            "NIfTI in one file",
            "join them: nibabel.save(nibabel.Nifti1Image.from_image(nibabel.load('x.hdr')), 'x.nii.gz')",
        )
    size = _header_size(head)
    if kind not in SINGLE or size is None or len(head) < size:
        raise refusal("a file that does not begin as NIfTI does", "a .nii or .nii.gz", REPAIR)
    header = (Nifti1Header if size == 348 else Nifti2Header)(head[:size], check=False)
    header.check_fix(logging.Logger("silent", logging.CRITICAL + 1), 40)  # nibabel's own level, without its log
    shape, dtype, offset = _layout(header)
    affine, notes = _affine(header)
    steps = _steps(header, affine)
    axis = _slice_axis(shape[:3], steps, header.get_dim_info()[2])
    turn, to_voxel, shown = _orientation(shape[:3], affine, axis)
    if steps is not None:
        steps = steps[turn[:, 0].argsort().astype(int)]
    in_millimetres = affine is not None or _unit(header) is not None
    grid = Grid(
        shape, dtype, offset, *_scaling(header), affine, turn, to_voxel, steps, in_millimetres, (*notes, *shown)
    )
    _check_size(source, grid, size)
    return grid


def _layout(header: Any) -> tuple[tuple[int, int, int, int], np.dtype[Any], int]:
    shape = tuple(int(n) for n in header.get_data_shape())
    while len(shape) > 4 and shape[-1] == 1:
        shape = shape[:-1]
    text = " × ".join(str(n) for n in shape)
    if not 2 <= len(shape) <= 4 or min(shape) < 1:
        raise refusal(f"an array of {text or 'no'} values", "2 to 4 dimensions of 1 or more", "choose or split them")
    dtype = header.get_data_dtype()
    if dtype.kind == "c":
        raise refusal("complex values", "real values", "save the magnitude")
    i, j, k, volumes = (*shape, 1, 1)[:4]
    return (i, j, k, volumes), dtype, int(header.get_data_offset())


def _check_size(source: Path | bytes, grid: Grid, header_bytes: int) -> None:
    """Before anything of that size is read or inflated."""
    if grid.offset < header_bytes:
        raise refusal(f"voxels from byte {grid.offset}", f"{header_bytes} or more", REPAIR)
    pixels = math.prod(grid.shape[:3]) // grid.slices
    if pixels > MAX_PIXELS or grid.frames > MAX_FRAMES:
        raise refusal(
            f"{grid.frames:,} slices of {pixels:,} voxels", f"at most {MAX_FRAMES:,} of {MAX_PIXELS:,}", "split it"
        )
    if is_gzip(source):
        if grid.end > MAX_INFLATED:
            raise refusal(f"{grid.end:,} bytes behind gzip", f"at most {MAX_INFLATED:,}", "unpack it with gunzip first")
        return
    length = len(source) if isinstance(source, bytes) else source.stat().st_size
    if length < grid.end:
        raise refusal(f"{length:,} bytes where the header needs {grid.end:,}", "a whole file", "fetch it again")


def _affine(header: Any) -> tuple[np.ndarray | None, list[str]]:
    """Voxel → LPS millimetres by the sform, else the qform, as the standard ranks them; None where neither is set."""
    from nibabel.orientations import io_orientation

    if int(header["sform_code"]) <= 0 and int(header["qform_code"]) <= 0:
        return None, ["orientation unknown: shown as stored"]
    unit = _unit(header)
    with np.errstate(all="ignore"):
        affine = LPS @ np.diag([unit or 1.0] * 3 + [1.0]) @ header.get_best_affine()
        usable = (
            np.isfinite(affine).all() and abs(affine).max() < FARTHEST and not np.isnan(io_orientation(affine)).any()
        )
    if not usable:
        return None, ["orientation damaged: shown as stored"]
    # Most files written by nibabel name no unit, and all tools take the forms as millimetres.
    return affine, [] if unit else ["no unit of length named: taken as millimetres"]


def _unit(header: Any) -> float | None:
    """Millimetres in the file's unit of length; None where it names none."""
    return TO_MILLIMETRES.get(int(header["xyzt_units"]) & 7)


def _steps(header: Any, affine: np.ndarray | None) -> np.ndarray | None:
    """Between voxels along i, j and k: by the affine, else pixdim in millimetres or the unknown unit."""
    if affine is not None:
        return np.linalg.norm(affine[:3, :3], axis=0)
    steps = np.abs(header["pixdim"][1:4].astype(float)) * (_unit(header) or 1.0)
    return steps if np.isfinite(steps).all() and steps.all() else None


def _scaling(header: Any) -> tuple[float, float]:
    """scl_slope 0 means no scaling (nifti1.h); so does NaN, which nibabel writes for it."""
    slope, inter = float(header["scl_slope"]), float(header["scl_inter"])
    if header.get_data_dtype().names or slope == 0 or math.isnan(slope):
        return 1.0, 0.0
    if not (math.isfinite(slope) and math.isfinite(inter)):
        raise refusal(f"scl_slope {slope} and scl_inter {inter}", "finite numbers", REPAIR)
    return slope, inter


def _orientation(
    shape: tuple[int, ...], affine: np.ndarray | None, axis: int
) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """nibabel's transform from voxel axes to (column, row, slice), its inverse [4, 4], and a note.

    axis: the voxels' axis that the slices are stacked along.
    """
    from nibabel import orientations

    if affine is None:
        others = [other for other in range(3) if other != axis]
        turn = np.array([[[*others, axis].index(voxel_axis), 1] for voxel_axis in range(3)])
        return turn, orientations.inv_ornt_aff(turn, shape), []
    stored = orientations.io_orientation(LPS @ affine)
    codes = "".join(str(code) for code in orientations.ornt2axcodes(stored))
    plane, shown = PLANES[{"R": "L", "A": "P", "I": "S"}.get(codes[axis], codes[axis])]
    turn = orientations.ornt_transform(stored, orientations.axcodes2ornt(shown))
    return turn, orientations.inv_ornt_aff(turn, shape), [f"{plane} slices, stored {codes}, shown {shown}"]


def _slice_axis(shape: tuple[int, ...], steps: np.ndarray | None, named: int | None) -> int:
    if named is not None:
        return named
    if shape.count(1) == 1:
        return shape.index(1)
    if steps is not None:
        coarsest = int(steps.argmax())
        if all(steps[coarsest] >= COARSER * steps[other] for other in range(3) if other != coarsest):
            return coarsest
    return 2


def _header_size(head: bytes) -> int | None:
    if len(head) < 4:
        return None
    return next((n for n in MAGIC if head[:4] in (n.to_bytes(4, "little"), n.to_bytes(4, "big"))), None)


def _kind(head: bytes) -> bytes:
    """The header's magic, b"n+1\\0" and the like; empty where the file does not begin as NIfTI does."""
    size = _header_size(head)
    return head[MAGIC[size]] if size and len(head) >= size else b""


def _is_analyze(head: bytes) -> bool:
    """ANALYZE 7.5 has no magic, but the same size field, the letter "r" and a number of dimensions."""
    if _header_size(head) != 348 or len(head) < 348 or _kind(head) in (*SINGLE, *PAIR):
        return False
    order = "little" if head[:4] == (348).to_bytes(4, "little") else "big"
    return head[38:39] in (b"r", b"\0") and 1 <= int.from_bytes(head[40:42], order) <= 7


def _first_bytes(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(4096)


def is_gzip(source: Path | bytes) -> bool:
    return (source if isinstance(source, bytes) else _first_bytes(source))[:2] == b"\x1f\x8b"


def _head(data: bytes) -> bytes:
    """The first 540 bytes, unpacked if need be; fewer where the file is shorter or the packing is damaged."""
    if data[:2] != b"\x1f\x8b":
        return data[:540]
    try:
        return zlib.decompressobj(wbits=31).decompress(data[:4096], 540)
    except zlib.error:
        return b""
