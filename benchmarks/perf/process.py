"""What Linux says of this process: memory, bytes read from disk, the machine. Sizes are in bytes.

RssAnon is memory that the process owns; VmRSS counts the mapped files' pages in the cache, too.
"""

from __future__ import annotations

import os
import platform
import threading
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

FIELDS = ("VmRSS", "RssAnon", "RssFile")
PERIOD = 0.05
FLAGS = ("avx2", "avx512f", "avx512_bf16", "avx512_vnni", "amx_bf16", "amx_int8")
PACKAGES = ("torch", "transformers", "safetensors", "accelerate", "bitsandbytes")


def memory() -> dict[str, int]:
    """VmRSS, RssAnon and RssFile now."""
    return _status(FIELDS)


def high_water() -> int:
    """The kernel's own peak of VmRSS since the process began."""
    return _status(("VmHWM",))["VmHWM"]


def bytes_read() -> int:
    """From disk since the process began; what the page cache had is not counted."""
    lines = Path("/proc/self/io").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("read_bytes"))


def _status(fields: tuple[str, ...]) -> dict[str, int]:
    lines = (line.split() for line in Path("/proc/self/status").read_text().splitlines())
    return {words[0][:-1]: int(words[1]) * 1024 for words in lines if words and words[0][:-1] in fields}


class Peaks(threading.Thread):
    """The largest values of `memory()` while it runs, looked at every 50 ms."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.peaks = memory()
        self._ended = threading.Event()

    def run(self) -> None:
        while not self._ended.wait(PERIOD):
            self._look()

    def _look(self) -> None:
        self.peaks = {field: max(self.peaks[field], value) for field, value in memory().items()}

    def __enter__(self) -> Peaks:
        self.start()
        return self

    def __exit__(self, *problem: object) -> None:
        self._ended.set()
        self.join()
        self._look()


def drop_from_cache(files: list[Path]) -> None:
    """Ask the kernel to forget the files' pages, so that they are read from disk again."""
    for file in files:
        descriptor = os.open(file, os.O_RDONLY)
        try:
            os.fsync(descriptor)  # only pages that are on the disk can be forgotten
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(descriptor)


def machine() -> dict[str, object]:
    """Processor, instruction sets, cores, memory, versions, and how busy the machine is now."""
    facts = dict(
        line.split(":", 1) for line in Path("/proc/cpuinfo").read_text().split("\n\n")[0].splitlines() if ":" in line
    )
    cpu = {key.strip(): value.strip() for key, value in facts.items()}
    flags = set(cpu.get("flags", "").split())
    pages = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "cpu": cpu.get("model name", platform.machine()),
        "flags": [flag for flag in FLAGS if flag in flags],
        "cores": os.cpu_count(),
        "memory": pages,
        "load_average": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "versions": {package: found for package in PACKAGES if (found := _version(package))},
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
