"""What kind of object a DICOM file is, and what its header says of the picture's history, in fixed words.

It knows no pixel. A reader of the answer ought to see these remarks; none of them quotes free text.
"""

from __future__ import annotations

from pydicom import uid
from pydicom.dataset import Dataset

from data_adapters.dicom.header import FrameHeader, tag_name
from data_adapters.refusal import refusal

TILED = (uid.VLWholeSlideMicroscopyImageStorage, uid.ConfocalMicroscopyTiledPyramidalImageStorage)
LABEL_MAP = uid.UID("1.2.840.10008.5.1.4.1.1.66.7")  # Label Map Segmentation Storage: pydicom 3.0 has no name for it
NO_PICTURES = {
    uid.SegmentationStorage: "segmentation: a mask that somebody drew, not a picture",
    LABEL_MAP: "segmentation: numbered labels, not a picture",
    uid.RTDoseStorage: "radiotherapy dose, not a picture of the patient",
    uid.ParametricMapStorage: "parametric map: values calculated from pictures",
}
LOSSY = (uid.JPEGBaseline8Bit, uid.JPEGExtended12Bit)
MAYBE_LOSSY = (uid.JPEGLSNearLossless, uid.JPEG2000, uid.HTJ2K)  # these may hold lossless data, too


def checked_kind(dataset: Dataset) -> list[str]:
    """Remarks on an object that is no plain picture. Raises InputError for tiles of whole slides.

    A slide's frames are tiles of several magnifications, and its label and overview show names and bar codes:
    read as single pictures they mislead (PS3.3 A.32.8).
    """
    kind = dataset.get("SOPClassUID")
    if kind in TILED:
        raise refusal(f"{uid.UID(kind).name}", "a picture in one piece", "open the slide with data_adapters.slide")
    return [remark for known, remark in NO_PICTURES.items() if kind == known]


def remarks(header: FrameHeader, syntax: uid.UID) -> list[str]:
    """What a reader ought to know of one frame's history."""
    found = [*_lossy(header, syntax)]
    if "DERIVED" in (header.code("FrameType"), header.code("ImageType")):  # C.7.6.1.1.2, C.8.16.1
        found.append("derived image")
    if header.code("PresentationIntentType") == "FOR PROCESSING":  # C.8.11.1
        found.append("FOR PROCESSING: raw detector data, not meant to be looked at")
    if header.code("BurnedInAnnotation") == "YES":  # C.7.6.1: may identify the patient
        found.append("burned-in annotation")
    if header.code("PixelPresentation") in ("COLOR", "MIXED"):  # C.8.16.2.1.1
        found.append("colours over the grey picture (PixelPresentation) are not shown")
    if header.get("RealWorldValueMappingSequence") is not None:  # C.7.6.16.2.11
        # It maps stored values in parallel to the modality transformation, which the windows belong to.
        found.append(f"{tag_name('RealWorldValueMappingSequence')} not applied")
    return found


def _lossy(header: FrameHeader, syntax: uid.UID) -> list[str]:
    declared = header.code("LossyImageCompression")  # C.7.6.1.1.5: 01 for good, once lossy at any time
    if syntax in LOSSY or (syntax in MAYBE_LOSSY and declared != "00"):
        return [f"lossy compression: {syntax.name}"]
    return ["lossy compression: at some time before"] if declared == "01" else []
