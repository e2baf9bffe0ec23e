"""Whose scan it is by its DICOM header: for telling patients apart, never for telling who they are.

An identifier leaves this module only as a hash with a salt that is new in every run, so that nothing which is stored
or shown can be matched with a list of patients. It does not know whether a header is right: files that were made
anonymous may all name one and the same placeholder.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import unicodedata
from dataclasses import dataclass

from data_adapters.dicom import looks_like_dicom
from data_adapters.listing import listing
from data_adapters.slice_header import read_slice_header
from medfly.types import InputError

SALT = secrets.token_bytes(32)
WHOLE_FLOAT = re.compile(r"^(\d+)\.0$")
NOTHING = ("nan", "none", "null", "nat", "<na>")  # as pandas and Python write that there is no value


@dataclass(frozen=True)
class Identity:
    """patient, study: masked, "" where unknown."""

    patient: str = ""
    study: str = ""


def in_header(path: str) -> Identity:
    """PatientID and StudyInstanceUID of a DICOM file, or of the first one in a folder or archive of one series.

    Nothing for files of other kinds and for those that cannot be read, which whoever opens the scan will tell.
    """
    try:
        for file in listing(path, lambda done, total: None)[0]:
            if looks_like_dicom(file.head()):
                texts = read_slice_header(file).texts
                return Identity(masked(fold(texts["PatientID"])), masked(fold(texts["StudyInstanceUID"])))
    except InputError:
        pass
    return Identity()


def masked(folded: str) -> str:
    """The same for the same key in one run, and nothing that anybody could turn back; "" stays ""."""
    return hashlib.blake2b(folded.encode(), key=SALT, digest_size=16).hexdigest() if folded else ""


def fold(key: str) -> str:
    """A patient's or a study's key without what programs change: blanks, case, the leading zeros that Excel strips,
    and the ".0" that pandas gives to numbers in a column with gaps; "" for what they write where there is no value.
    """
    text = WHOLE_FLOAT.sub(r"\1", "".join(unicodedata.normalize("NFKC", key).casefold().split()))
    return "" if text in NOTHING else text.lstrip("0") or text[:1]
