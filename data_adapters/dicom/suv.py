"""PET activity → standardised uptake value by body weight, when and only when the header holds all that it takes.

The rule is QIBA's vendor-neutral one (QIBA Wiki, "Standardized Uptake Value (SUV)", happy path), without private
attributes: a factor that rests on a guessed dose, weight or time would be a wrong number that looks right. It knows
body weight only, no lean mass and no body surface.
"""

from __future__ import annotations

import math
import re
from datetime import datetime, timedelta
from typing import NoReturn

from data_adapters.dicom.header import FrameHeader
from data_adapters.refusal import refusal

UNIT = "SUVbw"
SAME_DAY_HALF_LIFE = 3 * 3600  # seconds. Of such a nuclide a scan on the next day would find less than 1 / 250.


def suv_factor(header: FrameHeader) -> float:
    """What activity concentration in Bq/ml is multiplied with to become SUVbw in g/ml (a file in GML: 1).

    Raises InputError, saying what is missing or contradictory.
    """
    units = header.code("Units")
    if units == "GML" and (header.code("SUVType") or "BW") == "BW":  # C.8.9.1: BW where absent
        return 1.0
    if units != "BQML":
        _refuse(f"Units {units or 'unknown'}", "BQML")
    if not {"ATTN", "DECY"} <= {header.code("CorrectedImage", index) for index in range(16)}:
        _refuse("no correction for both attenuation and decay", "ATTN and DECY in Corrected Image (0028,0051)")
    injections = header.get("RadiopharmaceuticalInformationSequence")
    if injections is None or len(injections) != 1:
        _refuse(f"{len(injections or ())} radiopharmaceuticals", "one")
    injection = FrameHeader((injections[0],))
    weight = _between(header, "PatientWeight", 0.005, 650, "kg")
    dose = _between(injection, "RadionuclideTotalDose", 1e5, 1e11, "Bq")
    half_life = _between(injection, "RadionuclideHalfLife", 1, 1e8, "s")
    return weight * 1000 / (dose * _remaining(header, injection, half_life))


def _refuse(found: str, expected: str) -> NoReturn:
    raise refusal(found, f"{expected} for {UNIT}", "measure in the unit that the file declares")


def _between(header: FrameHeader, keyword: str, low: float, high: float, unit: str) -> float:
    """A number that could be true in its unit: a dose in MBq or a weight in grams is what these limits find."""
    value = header.number(keyword)
    if value is None or not low <= value <= high:
        _refuse(f"{keyword} {'unknown' if value is None else format(value, 'g')}", f"{low:g} to {high:g} {unit}")
    return value


def _remaining(header: FrameHeader, injection: FrameHeader, half_life: float) -> float:
    """The share of the injected activity that the image was corrected to: 1 for ADMIN, less for START (C.8.9.1.1.5)."""
    correction = header.code("DecayCorrection")
    if correction not in ("START", "ADMIN"):
        _refuse(f"DecayCorrection {correction or 'unknown'}", "START or ADMIN")
    scan = _scan_start(header, half_life)
    injected = _injected(injection, header, scan, half_life)
    if (scan.tzinfo is None) != (injected.tzinfo is None):
        _refuse("a time zone for only one of injection and scan", "one for both or none")
    elapsed = (scan - injected).total_seconds()
    if not 0 <= elapsed <= 10 * half_life:
        _refuse("a scan before its injection, or more than 10 half-lives after", "times that fit together")
    return 1.0 if correction == "ADMIN" else 2 ** (-elapsed / half_life)


def _scan_start(header: FrameHeader, half_life: float) -> datetime:
    """To when the image was corrected: the series' time, unless it is later than the acquisition.

    A series that somebody derived has its own time; then the start follows from the frame's reference time (QIBA).
    """
    series = _moment(header, "SeriesDate", "SeriesTime")
    acquired = _moment(header, "AcquisitionDate", "AcquisitionTime")
    if series is None or acquired is None:
        _refuse("no date and time of series and acquisition", "both")
    if series <= acquired:
        return series
    reference, duration = header.number("FrameReferenceTime"), header.number("ActualFrameDuration")
    if not reference or not duration or reference < 0 or duration < 0:
        _refuse("a series later than its acquisition, and no frame times", "FrameReferenceTime, ActualFrameDuration")
    decay = math.log(2) / half_life
    during = decay * duration / 1000
    average = math.log(during / -math.expm1(-during)) / decay
    return acquired + timedelta(seconds=average - reference / 1000)


def _injected(injection: FrameHeader, header: FrameHeader, scan: datetime, half_life: float) -> datetime:
    declared = injection.get("RadiopharmaceuticalStartDateTime")
    if declared is None and half_life <= SAME_DAY_HALF_LIFE:
        time = injection.get("RadiopharmaceuticalStartTime")
        declared = None if time is None else f"{scan:%Y%m%d}{time}"
    moment = None if declared is None else _parsed(str(declared), header)
    if moment is None:
        _refuse("no date and time of injection", "RadiopharmaceuticalStartDateTime (0018,1078)")
    return moment


def _moment(header: FrameHeader, date: str, time: str) -> datetime | None:
    return _parsed(f"{header.get(date) or ''}{header.get(time) or ''}", header)


def _parsed(text: str, header: FrameHeader) -> datetime | None:
    """YYYYMMDDHHMM[SS[.F]][±ZZZZ] (PS3.5 6.2, DT), to the minute at least; the file's time zone where it has none."""
    match = re.fullmatch(r"(\d{12})(\d{2})?(\.\d{1,6})?([+-]\d{4})?", text.strip())
    if match is None:
        return None
    minutes, seconds, fraction, zone = match.groups()
    zone = zone or str(header.get("TimezoneOffsetFromUTC") or "").strip()  # C.12.1.1.8
    try:
        moment = datetime.strptime(minutes + (seconds or "00"), "%Y%m%d%H%M%S")
        moment += timedelta(seconds=float(fraction or 0))
        return moment.replace(tzinfo=datetime.strptime(zone, "%z").tzinfo) if zone else moment
    except ValueError:
        return None
