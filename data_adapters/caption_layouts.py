"""The layouts in which pictures with reference texts come, each read into records of one form.

    captions.jsonl                                       ours: an object a line, see data_adapters.captions
    data/{split}/radiology/captions.txt and images/      ROCO, as its authors' repository and fetch.py lay it out
    {split}_images.tsv and iu_xray_images/               IU X-Ray, as the survey's script leaves it
    {split}_images.tsv and peir_gross_images/            Peir Gross, likewise

Sources, read on GitHub: razorx89/roco-dataset at a1f0ad6, scripts/fetch.py; nlpaueb/bio_image_caption at 0c2bf02 and
7519d00, SiVL19/get_iu_xray.py and get_peir_gross.py, of Kougia, Pavlopoulos and Androutsopoulos, "A Survey on
Biomedical Image Captioning", SiVL 2019. Which copy and split the Dragonfly paper scored is not known, so figures on
these need not be on its data. MIMIC-CXR has none here: its owners publish no layout of pictures with one text each.

A record has the columns image (a path from the folder), captions, id, split and perhaps patient and frame; values
may be of any type, for nothing is checked yet. This module knows no sample.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data_adapters.files import file_bytes
from data_adapters.refusal import naming, refusal
from data_adapters.tables.table import Records, read_table

FILE = "captions.jsonl"
ROCO_SPLITS = ("train", "validation", "test")
TSV_SPLITS = ("train", "test")


@dataclass(frozen=True)
class Layout:
    """One way to lay out a folder.

    name, title, source, licence: of the data set, None where they are not known. looked_for: the files, in words.
    is_here: whether the folder has them. read: folder → row number → record; rows of several files are counted on.
    spares: kinds of faults whose rows are left out and counted, in place of refusing the folder.
    """

    name: str
    title: str
    source: str | None
    licence: str | None
    looked_for: str
    is_here: Callable[[Path], bool]
    read: Callable[[Path], Records]
    spares: frozenset[str] = frozenset()


def _json_lines(folder: Path) -> Records:
    with naming(FILE):
        return read_table(folder / FILE)


def _roco_file(folder: Path, split: str) -> Path:
    return folder / "data" / split / "radiology" / "captions.txt"


def _is_roco(folder: Path) -> bool:
    return any(_roco_file(folder, split).is_file() for split in ROCO_SPLITS)


def _roco(folder: Path) -> Records:
    """fetch.py saves every picture as its id with .jpg behind it, whatever it was called in the article."""
    rows: list[dict[str, Any]] = []
    for split in ROCO_SPLITS:
        for name, text in _pairs(_roco_file(folder, split)):
            image = f"data/{split}/radiology/images/{name}.jpg"
            rows.append({"image": image, "captions": text, "id": name, "split": split})
    return dict(enumerate(rows, 1))


def _is_survey(pictures: str) -> Callable[[Path], bool]:
    def is_here(folder: Path) -> bool:
        lists = [folder / f"{split}_images.tsv" for split in TSV_SPLITS]
        return (folder / pictures).is_dir() and any(path.is_file() for path in lists)

    return is_here


def _iu_xray(folder: Path) -> Records:
    """The two views of a study have one report: CXR12_IM-… is of report 12, and the script splits by reports."""
    records = _survey(folder, "iu_xray_images")
    return {row: record | {"patient": record["id"].split("_")[0]} for row, record in records.items()}


def _peir_gross(folder: Path) -> Records:
    return _survey(folder, "peir_gross_images")


def _survey(folder: Path, pictures: str) -> Records:
    rows: list[dict[str, Any]] = []
    for split in TSV_SPLITS:
        for name, text in _pairs(folder / f"{split}_images.tsv"):
            rows.append({"image": f"{pictures}/{name}", "captions": text, "id": name, "split": split})
    return dict(enumerate(rows, 1))


def _pairs(path: Path) -> Iterator[tuple[str, str]]:
    """Name and text of each line "name, tab, text"; quotes mean nothing. No pairs where the file is not there.

    Raises InputError for text that is no UTF-8, and for a line without a tab.
    """
    if not path.is_file():
        return
    with naming(repr(str(path))):
        data = file_bytes(path)
        try:
            lines = data.decode("utf-8-sig").split("\n")  # not splitlines: a text may hold other line separators
        except UnicodeDecodeError:
            raise refusal("bytes that are no UTF-8", "a name, a tab and a text a line", "fetch it again") from None
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            name, tab, text = line.partition("\t")
            if not tab:
                raise refusal(f"no tab on line {number}", "a name, a tab and a text a line", "fetch it again")
            yield name.strip(), text


LAYOUTS = (
    Layout(
        "captions",
        "captions",
        None,
        None,
        f"{FILE}, with the pictures that it names beside it",
        lambda folder: (folder / FILE).is_file(),
        _json_lines,
    ),
    Layout(
        "roco",
        "ROCO, radiology",
        "https://github.com/razorx89/roco-dataset",
        None,  # each article's own: licences.txt
        "ROCO's data/test/radiology/captions.txt (also train, validation) and images/ beside it",
        _is_roco,
        _roco,
        frozenset({"missing_images"}),  # fetch.py goes on without those that were withdrawn
    ),
    Layout(
        "iu_xray",
        "IU X-Ray",
        "https://openi.nlm.nih.gov",
        None,
        "IU X-Ray's test_images.tsv (also train) and iu_xray_images/",
        _is_survey("iu_xray_images"),
        _iu_xray,
    ),
    Layout(
        "peir_gross",
        "Peir Gross",
        "http://peir.path.uab.edu/library",
        None,
        "Peir Gross's test_images.tsv (also train) and peir_gross_images/",
        _is_survey("peir_gross_images"),
        _peir_gross,
    ),
)
