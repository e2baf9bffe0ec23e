"""PET: SUVbw with analytic values where the header has it all, and the declared unit with a reason where not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from data_adapters.dicom import DicomFile
from data_adapters.dicom.header import FrameHeader
from data_adapters.dicom.suv import suv_factor
from medfly.display import apply_window
from medfly.types import InputError, Scan, Window

Make = Callable[..., bytes]
STORED = np.arange(0, 4096, 16, dtype=np.uint16).reshape(16, 16)
HALF_LIFE = 6586.2  # of fluorine-18, in seconds
DOSE = 370e6
INJECTION = {"RadionuclideTotalDose": DOSE, "RadionuclideHalfLife": HALF_LIFE, "RadiopharmaceuticalStartTime": "100000"}
PET = {
    "Modality": "PT",
    "Units": "BQML",
    "CorrectedImage": ["ATTN", "DECY", "SCAT"],
    "DecayCorrection": "START",
    "PatientWeight": 74,
    "RescaleSlope": 3,
    "RescaleIntercept": 0,
    "SeriesDate": "20200102",
    "SeriesTime": "110000",
    "AcquisitionDate": "20200102",
    "AcquisitionTime": "110500",
}
AN_HOUR = 74_000 / (DOSE * 2 ** (-3600 / HALF_LIFE))


def pet(attributes: dict[str, Any] | None = None, injection: dict[str, Any] | None = None) -> dict[str, Any]:
    """The attributes of a whole PET with some of them changed, or taken away where None."""
    item = Dataset()
    for keyword, value in (INJECTION | (injection or {})).items():
        if value is not None:
            setattr(item, keyword, value)
    found = PET | {"RadiopharmaceuticalInformationSequence": Sequence([item])} | (attributes or {})
    return {keyword: value for keyword, value in found.items() if value is not None}


def scan(make_dicom: Make, *changes: dict[str, Any] | None) -> Scan:
    return DicomFile(make_dicom(STORED, **pet(*changes))).scan()


@pytest.mark.parametrize(
    ("attributes", "injection", "factor"),
    [
        ({}, {}, AN_HOUR),
        ({"DecayCorrection": "ADMIN"}, {}, 74_000 / DOSE),
        ({}, {"RadiopharmaceuticalStartDateTime": "20200102100000"}, AN_HOUR),
        ({}, {"RadiopharmaceuticalStartDateTime": "20200102100000.00"}, AN_HOUR),
        ({"TimezoneOffsetFromUTC": "+0100"}, {"RadiopharmaceuticalStartDateTime": "20200102090000+0000"}, AN_HOUR),
        # over midnight: the date says so
        (
            {"SeriesDate": "20200103", "SeriesTime": "003000", "AcquisitionDate": "20200103"},
            {"RadiopharmaceuticalStartDateTime": "20200102233000"},
            AN_HOUR,
        ),
        # a nuclide of days, with a date
        (
            {},
            {"RadionuclideHalfLife": 282_276, "RadiopharmaceuticalStartDateTime": "20191230110000"},
            74_000 / (DOSE * 2 ** (-3 * 86400 / 282_276)),
        ),
    ],
)
def test_suv_by_body_weight(
    make_dicom: Make, attributes: dict[str, Any], injection: dict[str, Any], factor: float
) -> None:
    found = scan(make_dicom, attributes, injection)
    assert found.unit == "SUVbw" and not any("SUV" in note for note in found.notes)
    assert np.allclose(found.pixels, STORED * 3.0 * factor, rtol=1e-6)


def test_series_that_somebody_derived_later(make_dicom: Make) -> None:
    """QIBA: its own time is no start. A frame acquired at 11:05, 300 s after the start, tells the start."""
    duration = 240.0
    decay = np.log(2) / HALF_LIFE * duration
    average = np.log(decay / (1 - np.exp(-decay))) / (np.log(2) / HALF_LIFE)
    reference = 300 + average  # Frame Reference Time: when the count rate is the frame's average
    later = {
        "SeriesTime": "150000",
        "FrameReferenceTime": reference * 1000,
        "ActualFrameDuration": int(duration * 1000),
    }
    assert np.allclose(scan(make_dicom, later).pixels, STORED * 3.0 * AN_HOUR, rtol=1e-6)


@pytest.mark.parametrize(
    ("attributes", "injection", "words"),
    [
        ({"Units": "CNTS"}, {}, "CNTS"),
        ({"Units": "PROPCPS"}, {}, "PROPCPS"),
        ({"PatientWeight": None}, {}, "PatientWeight unknown"),
        ({"PatientWeight": 0}, {}, "PatientWeight 0"),
        ({"PatientWeight": 74000}, {}, "PatientWeight 74000"),  # grams
        ({}, {"RadionuclideTotalDose": None}, "RadionuclideTotalDose unknown"),
        ({}, {"RadionuclideTotalDose": 370}, "RadionuclideTotalDose 370"),  # MBq
        ({}, {"RadionuclideHalfLife": None}, "RadionuclideHalfLife unknown"),
        ({}, {"RadiopharmaceuticalStartTime": None}, "no date and time of injection"),
        ({}, {"RadiopharmaceuticalStartTime": "10"}, "no date and time of injection"),  # to the hour
        ({}, {"RadionuclideHalfLife": 282_276}, "no date and time of injection"),  # which of the days?
        ({}, {"RadiopharmaceuticalStartTime": "120000"}, "scan before its injection"),
        ({}, {"RadiopharmaceuticalStartDateTime": "20190102100000"}, "10 half-lives"),
        ({}, {"RadiopharmaceuticalStartDateTime": "20200102100000+0100"}, "time zone"),
        ({"DecayCorrection": "NONE"}, {}, "DecayCorrection NONE"),
        ({"DecayCorrection": None}, {}, "DecayCorrection unknown"),
        ({"CorrectedImage": ["DECY"]}, {}, "attenuation"),
        ({"CorrectedImage": ["ATTN"]}, {}, "attenuation"),
        ({"SeriesTime": None}, {}, "date and time of series"),
        ({"AcquisitionDate": None}, {}, "date and time of series"),
        ({"SeriesTime": "150000"}, {}, "no frame times"),
        ({"RadiopharmaceuticalInformationSequence": None}, {}, "0 radiopharmaceuticals"),
        ({"RadiopharmaceuticalInformationSequence": Sequence([Dataset(), Dataset()])}, {}, "2 radiopharmaceuticals"),
        ({"RescaleSlope": None, "RescaleIntercept": None}, {}, "Rescale Slope"),
    ],
)
def test_no_suv_rather_than_a_wrong_one(
    make_dicom: Make, attributes: dict[str, Any], injection: dict[str, Any], words: str
) -> None:
    found = scan(make_dicom, attributes, injection)
    is_rescaled = attributes.get("RescaleSlope", 3) is not None
    assert found.unit == (attributes.get("Units", "BQML") if is_rescaled else None)
    assert np.array_equal(found.pixels, STORED * (3.0 if is_rescaled else 1.0)), "the picture itself is as good"
    (note,) = [note for note in found.notes if "SUV" in note]
    assert words in note


def test_asking_for_the_factor_refuses() -> None:
    header = Dataset()
    header.Modality, header.Units = "PT", "CNTS"
    with pytest.raises(InputError, match="CNTS; expected BQML for SUVbw"):
        suv_factor(FrameHeader((header,)))


@pytest.mark.parametrize(("kind", "unit"), [(None, "SUVbw"), ("BW", "SUVbw"), ("LBM", "GML"), ("BSA", "GML")])
def test_values_that_are_suv_already(make_dicom: Make, kind: str | None, unit: str) -> None:
    found = scan(make_dicom, {"Units": "GML", "SUVType": kind, "PatientWeight": None})
    assert found.unit == unit and np.array_equal(found.pixels, STORED * 3.0)


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
@pytest.mark.parametrize("width", [1, 2, 700])
def test_window_makes_the_same_picture_in_suv(make_dicom: Make, function: str, width: int) -> None:
    window = {"WindowCenter": 3000, "WindowWidth": width, "VOILUTFunction": function}
    found, activity = scan(make_dicom, window), scan(make_dicom, window | {"PatientWeight": None})
    (scaled,), (plain,) = found.windows, activity.windows
    assert isinstance(scaled, Window) and scaled.source == "WindowCenter/Width 1 of 1, in SUVbw"
    assert np.abs(apply_window(found.pixels, scaled) - apply_window(activity.pixels, plain)).max() < 1e-4


def test_table_of_activities_does_not_fit_suv(make_dicom: Make) -> None:
    table = Dataset()
    table.add_new("LUTDescriptor", "US", [2, 0, 8])
    table.add_new("LUTData", "OW", np.array([0, 255], "<u2").tobytes())
    found = scan(make_dicom, {"VOILUTSequence": Sequence([table])})
    assert found.windows == () and "1 lookup tables for other values left out" in found.notes


def test_no_header_value_reaches_the_notes(make_dicom: Make) -> None:
    found = scan(make_dicom, {"PatientName": "Doe^Jane", "SeriesDate": "19991231", "Units": "DOE"})
    assert not any("1999" in note or "20200102" in note for note in found.notes)
