"""MedFly: medical visual question answering that shows its evidence. Research use only – not for diagnosis.

`import medfly` is light; torch and transformers are imported when `medfly.load` is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from medfly.types import Answer, Evidence, InputError, Region, Sample, Scan, VoiLut, Volume, Window

if TYPE_CHECKING:
    from medfly.engine import MedFly, load
    from medfly.tiling import montage

__version__ = "0.1.0"
__all__ = [
    "Answer",
    "Evidence",
    "InputError",
    "MedFly",
    "Region",
    "Sample",
    "Scan",
    "VoiLut",
    "Volume",
    "Window",
    "load",
    "montage",
]


def __getattr__(name: str) -> Any:
    if name in ("load", "MedFly"):
        from medfly import engine

        return getattr(engine, name)
    if name == "montage":
        from medfly.tiling import montage

        return montage
    raise AttributeError(f"module 'medfly' has no attribute {name!r}")
