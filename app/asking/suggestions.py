"""Questions to begin with, by what a scan is and what it shows, worded as SLAKE words its own.

The bundled model was trained on that wording, so that what is suggested is what it knows how to be asked; nobody has
to take them. They stay English in every language of the page, as the model does. Pure: the same scan, the same list.

Each is a question of SLAKE's English training questions (Liu et al., ISBI 2021; CC BY 4.0), asked there about pictures
of this modality and, in OF_PART, of this part of the body.
"""

from __future__ import annotations

from app.studies.samples import MODALITY, PART, SYSTEM
from medfly.types import Scan

DISEASES = "What diseases are included in the picture?"
WHERE = "Where is/are the abnormality located?"
PLANE = "What is the scanning plane of this image?"
WEIGHTING = "What is the mr weighting in this image?"
LARGEST = "What is the largest organ in the picture?"

X_RAYS = ("CR", "DX", "RG", "RF")
KINDS = {"CT": "CT", "MR": "MR", **dict.fromkeys(X_RAYS, "X-ray")}
"""DICOM's modality codes → the three that SLAKE has; others, such as mammograms and ultrasound, it has not."""
PARTS = {
    **dict.fromkeys(("CHEST", "LUNG", "HEART", "THORAX", "MEDIASTINUM", "RIB"), "chest"),
    **dict.fromkeys(("ABDOMEN", "LIVER", "KIDNEY", "SPLEEN", "PANCREAS", "ABDOMENPELVIS"), "abdomen"),
    **dict.fromkeys(("HEAD", "BRAIN", "SKULL"), "head"),
    **dict.fromkeys(("NECK", "LARYNX", "CSPINE"), "neck"),
    **dict.fromkeys(("PELVIS", "BLADDER", "RECTUM", "PROSTATE"), "pelvis"),
}
"""DICOM's codes for Body Part Examined (PS3.16, annex L) → the parts that SLAKE has."""
OF_ANY = (MODALITY, PART, SYSTEM)
OF_PART: dict[tuple[str, str], tuple[str, ...]] = {
    ("X-ray", "chest"): (
        "Is the lung healthy?",
        "Are there abnormalities in this image?",
        DISEASES,
        WHERE,
        "Which organ is abnormal, heart or lung?",
        PART,
    ),
    ("CT", "chest"): (
        "Is the lung healthy?",
        DISEASES,
        WHERE,
        "Does the picture contain heart?",
        "What is the main organ in the image?",
        PART,
    ),
    ("CT", "abdomen"): (
        "Is the liver healthy?",
        "Where is the liver?",
        "How many kidneys in this image?",
        "Does the picture contain spleen?",
        LARGEST,
        PLANE,
    ),
    ("MR", "abdomen"): (
        "Is the liver healthy?",
        "Where is the liver?",
        "How many kidneys in this image?",
        "Does the picture contain spleen?",
        LARGEST,
        WEIGHTING,
    ),
    ("MR", "head"): (
        "Is the brain healthy?",
        DISEASES,
        WHERE,
        "Does the brain look abnormal?",
        WEIGHTING,
        PLANE,
    ),
    ("CT", "head"): (
        LARGEST,
        "Where is the brain stem in this image?",
        "How many eyes are shown in this image?",
        SYSTEM,
        "Does the picture contain mandible?",
        PART,
    ),
    ("CT", "neck"): (
        "Is this a study of the neck?",
        "Is there an esophagus in this image?",
        "Does the trachea exist in this picture?",
        SYSTEM,
        PLANE,
        PART,
    ),
    ("CT", "pelvis"): (
        "Does the picture contain colon?",
        "Where is the bladder existing in this image?",
        "How many femoral heads are shown in this image?",
        "Is there small bowel in this image?",
        PLANE,
        PART,
    ),
}
OF_KIND: dict[str, tuple[str, ...]] = {
    "CT": (PART, LARGEST, PLANE, SYSTEM, MODALITY),
    "MR": (PART, WEIGHTING, PLANE, SYSTEM, MODALITY),
    "X-ray": (PART, LARGEST, "Are there abnormalities in this image?", SYSTEM, MODALITY),
}


def suggestions(scan: Scan) -> tuple[str, ...]:
    """At most six questions, those that are asked most of such scans first."""
    kind = KINDS.get(scan.modality or "")
    part = PARTS.get((scan.body_part or "").replace(" ", "").upper())
    if kind is None:
        return OF_ANY
    return OF_PART.get((kind, part or ""), OF_KIND[kind])
