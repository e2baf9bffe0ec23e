"""Questions with their pictures inside Parquet files, as the Hugging Face hub's copies hold them.

    folder/data/{split}-{n}-of-{m}-*.parquet, columns image {bytes, path}, question, answer

Such copies name no picture: one is known by the SHA-256 of its bytes, which also brings together the rows about it.
Pictures are read from disk one row group at a time and are not kept. The module knows no data set's answers.
Limits are taken from the files' own directory; the decoder is pyarrow's and runs in this process.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data_adapters.refusal import naming, refusal, refusing
from data_adapters.source import read
from data_adapters.tables.rows import Contents, Row
from medfly.types import Scan

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

PICTURE = "image.bytes"
TEXTS = ("question", "answer")
# The hub's copies have groups of about 100 rows with some 15 MB of pictures.
MAX_GROUP_BYTES = 2 * 1024**3
MAX_PICTURE_BYTES = 256 * 1024**2
SHARD = re.compile(r"-(\d+)-of-(\d+)")


@dataclass(frozen=True)
class ParquetScan:
    """A picture in a Parquet file that is read when it is called: frozen, picklable, a medfly.types.ScanLoader.

    group, row: 0-based row group in the file and row in the group. content_hash: SHA-256 of the picture's bytes.
    """

    path: Path
    group: int
    row: int
    content_hash: str

    def __call__(self) -> Scan:
        """Read the picture now. Raises InputError for what cannot be read or is no longer the same picture."""
        where = f"row {self.row} of group {self.group} in {str(self.path)!r}"
        with refusing("an unreadable file", f"a picture in {where}", "fetch it again"), _opened(self.path) as file:
            cell = _pictures(file, self.group, self.path)[self.row].as_py()
        if cell is None or hashlib.sha256(cell).hexdigest() != self.content_hash:
            raise refusal("another picture than before", f"the one in {where}", "start again")
        with naming(where):
            return read(cell, frame=0)


def parquet_files(folder: Path, stem: str) -> list[Path]:
    """The files of a split, in order; none where there are none. Raises InputError where some of a series lack."""
    files = sorted((folder / "data").glob(f"{stem}-*.parquet"))
    series = [SHARD.search(path.name) for path in files]
    announced = max((int(match[2]) for match in series if match), default=len(files))
    if len(files) != announced:
        raise refusal(
            f"{len(files)} Parquet files of the split {stem}", f"{announced}, as their names say", "fetch them again"
        )
    return files


def parquet_contents(files: list[Path], answer_type: Callable[[Any], str | None]) -> Contents:
    """The rows of a split's files. Row.id is the row's number from 0, Row.image the picture's SHA-256 or None.

    answer_type: answer → "OPEN", "CLOSED" or None, for the copies do not say.
    Raises InputError for files that cannot be read or have other columns.
    """
    rows: list[Row] = []
    scans: dict[str, ParquetScan] = {}
    for path in files:
        for scan, question, answer in _rows(path):
            image = scan.content_hash if scan else None
            if scan:
                scans.setdefault(scan.content_hash, scan)
            rows.append(Row(len(rows), image, question, answer, answer_type(answer)))
    return Contents(rows, scans.get, "the Parquet files")


def _rows(path: Path) -> list[tuple[ParquetScan | None, Any, Any]]:
    """Picture, question and answer of every row of a file."""
    rows = []
    with (
        refusing("an unreadable file", f"questions in the Parquet file {str(path)!r}", "fetch it again"),
        _opened(path) as file,
    ):
        for group in range(file.metadata.num_row_groups):
            hashes = _hashes(_pictures(file, group, path))
            texts = file.read_row_group(group, columns=list(TEXTS))
            questions, answers = (texts.column(name).to_pylist() for name in TEXTS)
            for row, (known, question, answer) in enumerate(zip(hashes, questions, answers, strict=True)):
                rows.append((ParquetScan(path, group, row, known) if known else None, question, answer))
    return rows


def _opened(path: Path) -> pq.ParquetFile:
    """The file, equal pictures within a row group to be decoded once. Raises InputError for other columns."""
    import pyarrow.parquet as pq

    metadata = pq.read_metadata(path)
    missing = {PICTURE, *TEXTS} - {metadata.schema.column(i).path for i in range(metadata.num_columns)}
    if missing:
        raise refusal(
            f"no {' and no '.join(sorted(missing))} in {str(path)!r}",
            "columns image {bytes, path}, question and answer",
            "fetch the data set again",
        )
    return pq.ParquetFile(path, metadata=metadata, read_dictionary=[PICTURE])


def _pictures(file: pq.ParquetFile, group: int, path: Path) -> pa.DictionaryArray:
    """The pictures' bytes of one row group: an index a row into those that differ."""
    import pyarrow as pa

    size = file.metadata.row_group(group).total_byte_size
    if size > MAX_GROUP_BYTES:
        raise refusal(
            f"{size:,} bytes in row group {group} of {str(path)!r}", f"at most {MAX_GROUP_BYTES:,}", "fetch it again"
        )
    cells = file.read_row_group(group, columns=[PICTURE]).column(0).combine_chunks()
    pictures = cells.field("bytes")
    if not pa.types.is_dictionary(pictures.type):
        pictures = pictures.dictionary_encode()
    largest = max((one.as_buffer().size for one in pictures.dictionary if one.is_valid), default=0)
    if largest > MAX_PICTURE_BYTES:
        raise refusal(
            f"a picture of {largest:,} bytes in {str(path)!r}", f"at most {MAX_PICTURE_BYTES:,}", "fetch it again"
        )
    return pictures


def _hashes(pictures: pa.DictionaryArray) -> list[str | None]:
    """SHA-256 of each row's picture; each different one is hashed once. None where a row has no picture."""
    different = [hashlib.sha256(one.as_buffer()).hexdigest() if one.is_valid else None for one in pictures.dictionary]
    return [None if index is None else different[index] for index in pictures.indices.to_pylist()]
