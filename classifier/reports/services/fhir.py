"""A case as a FHIR R4 bundle: patient, specimen, diagnostic report, an observation per class.

docs/fhir.md says which code stands for what, and why. The bundle is checked against the FHIR models
of ``fhir.resources`` before it leaves; its R4B module describes these resources as R4 does.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

from django.utils import timezone, translation
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from cases.rounding import half_up
from classifier.reports import loinc
from classifier.reports.content import (
    ClassLine,
    Flag,
    Interval,
    Limits,
    ReportContent,
    reopened_words,
)

if TYPE_CHECKING:
    from datetime import datetime

MEDIA_TYPE = "application/fhir+json; fhirVersion=4.0"
UCUM = "http://unitsofmeasure.org"
TERMINOLOGY = "http://terminology.hl7.org/CodeSystem/"
PERCENT, PER_LITRE = ("%", "%"), ("10*9/L", "10*9/L")
PER_HUNDRED = ("/100 WBC", "/100{WBCs}")
INTERPRETATIONS = {
    "high": ("H", "High"),
    "low": ("L", "Low"),
    "present": ("A", "Abnormal"),
    "within": ("N", "Normal"),
    "not_seen": ("N", "Normal"),
}
LABORATORY = {"coding": [{"system": f"{TERMINOLOGY}observation-category", "code": "laboratory"}]}


def fhir_bundle(*, content: ReportContent, language: str, site: str) -> dict[str, Any]:
    """Make and check the bundle.

    Args:
        content: what the report says.
        language: of the texts; names that belong to LOINC stay English.
        site: address of the installation without a slash at the end, the root of identifiers.

    Returns:
        The bundle as JSON's objects, lists and values.

    Raises:
        pydantic.ValidationError: when it is no FHIR, which would be a fault of this module.
    """
    # Its hundred models are for those who ask for a bundle, not for every web process.
    from fhir.resources.R4B.bundle import Bundle

    with translation.override(language):
        bundle = _Bundle(content, language, site).made()
    Bundle.model_validate(bundle)
    return bundle


class _Bundle:
    """What the resources of one bundle share."""

    def __init__(self, content: ReportContent, language: str, site: str) -> None:
        self.content = content
        self.language = language
        self.root = f"{site}/laboratories/{content.laboratory.slug}"
        self.issued: datetime = content.signature.signed_at if content.signature else timezone.now()
        self.performer = [{"display": content.laboratory.name}]
        self.entries: list[dict[str, Any]] = []

    def made(self) -> dict[str, Any]:
        content = self.content
        patient = self._add("patient", self._patient())
        specimen = self._add("specimen", self._specimen(patient))
        shared = {"subject": patient, "specimen": specimen}
        results = []
        for line in content.lines:
            if line.counted or line.group == "erythroblast":
                results.append(self._add(f"{line.code}-share", self._share(line) | shared))
            elif line.group == "platelet" or line.seen:
                results.append(self._add(f"{line.code}-count", self._count(line) | shared))
        if content.white_cells:
            results.append(self._add("leukocytes", self._white_cells() | shared))
            results += [
                self._add(f"{line.code}-absolute", self._absolute(line) | shared)
                for line in content.lines
                if line.absolute and line.group != "review"
            ]
        results += [
            self._add(f"finding-{number}", self._finding(finding.words) | shared)
            for number, finding in enumerate(content.findings, start=1)
        ]
        report = self._report(results) | {"subject": patient, "specimen": [specimen]}
        self._add("report", report, first=True)
        return {
            "resourceType": "Bundle",
            "identifier": {
                "system": f"{self.root}/reports",
                "value": f"{content.case_id}/{content.version or 0}/{content.digest}",
            },
            "type": "collection",
            "timestamp": timezone.now().isoformat(),
            "entry": self.entries,
        }

    def _add(self, name: str, resource: dict[str, Any], *, first: bool = False) -> dict[str, str]:
        """Put a resource into the bundle; returns the reference to it."""
        place = f"{self.root}/cases/{self.content.case_id}/{name}"
        address = f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, place)}"
        self.entries.insert(0 if first else len(self.entries), {
            "fullUrl": address, "resource": resource
        })  # fmt: skip
        return {"reference": address}

    def _patient(self) -> dict[str, Any]:
        patient = self.content.patient
        resource: dict[str, Any] = {
            "resourceType": "Patient",
            "identifier": [
                {
                    "type": _coded("v2-0203", "MR", "Medical record number"),
                    "system": f"{self.root}/patients",
                    "value": patient.identifier,
                    "assigner": {"display": self.content.laboratory.name},
                }
            ],
            "gender": patient.sex,
        }
        if patient.name:
            resource["name"] = [{"text": patient.name}]
        if patient.birth_date:
            resource["birthDate"] = patient.birth_date.isoformat()
        return resource

    def _specimen(self, patient: dict[str, str]) -> dict[str, Any]:
        content = self.content
        resource: dict[str, Any] = {
            "resourceType": "Specimen",
            "accessionIdentifier": {
                "type": _coded("v2-0203", "ACSN", "Accession ID"),
                "system": f"{self.root}/accession-numbers",
                "value": content.accession_number,
            },
            "type": _coded("v2-0487", "BLD", "Whole blood")
            | {"text": _("Peripheral blood, smear")},
            "subject": patient,
        }
        if content.received_at:
            resource["receivedTime"] = content.received_at.isoformat()
        if content.collected_at:
            resource["collection"] = {"collectedDateTime": content.collected_at.isoformat()}
        if content.stain:
            words = _("Stain: %(stain)s") % {"stain": content.stain}
            resource["processing"] = [{"description": words}]
        return resource

    def _report(self, results: list[dict[str, str]]) -> dict[str, Any]:
        content = self.content
        resource: dict[str, Any] = {
            "resourceType": "DiagnosticReport",
            "language": self.language,
            "text": {"status": "additional", "div": self._narrative()},
            "identifier": [
                {
                    "system": f"{self.root}/reports",
                    "value": f"{content.accession_number}/{content.version or 0}",
                }
            ],
            "status": str(content.status),
            "category": [_coded("v2-0074", "HM", "Hematology")],
            "code": _loinc(loinc.PANEL, _("Differential")),
            "issued": self.issued.isoformat(),
            "performer": self.performer,
            "result": results,
        }
        if content.collected_at:
            resource["effectiveDateTime"] = content.collected_at.isoformat()
        if content.signature:
            resource["resultsInterpreter"] = [{"display": content.signature.name}]
            if content.signature.comment:
                resource["conclusion"] = content.signature.comment
        return resource

    def _narrative(self) -> str:
        """What no element holds: the limits of the method, and what was replaced why."""
        content = self.content
        said = [
            _(
                "The model knows eight classes. It has no class for blasts, smudge cells or "
                "artefacts and calls such cells one of its eight; only a reviewer can name them."
            ),
            _("Decision support for a trained reader. Not a diagnosis."),
            *(
                _("Model: %(models)s.") % {"models": f"{each['name']} ({each['weights_sha256']})"}
                for each in content.models
            ),
        ]
        if content.amended:
            said.insert(
                0,
                _("This report replaces version %(version)s. Reason: %(reason)s")
                % {"version": content.amended.version, "reason": content.amended.reason},
            )
        if content.reopened:
            said.insert(0, reopened_words())
        paragraphs = "".join(f"<p>{escape(_speakable(each))}</p>" for each in said)
        return f'<div xmlns="http://www.w3.org/1999/xhtml">{paragraphs}</div>'

    def _observation(self, code: dict[str, Any]) -> dict[str, Any]:
        content = self.content
        resource: dict[str, Any] = {
            "resourceType": "Observation",
            "language": self.language,
            "status": str(content.status),
            "category": [LABORATORY],
            "code": code,
            "issued": self.issued.isoformat(),
            "performer": self.performer,
        }
        if content.collected_at:
            resource["effectiveDateTime"] = content.collected_at.isoformat()
        return resource

    def _share(self, line: ClassLine) -> dict[str, Any]:
        """A class per 100 leukocytes, with its interval and its count as components."""
        unit = PERCENT if line.counted else PER_HUNDRED
        code = loinc.PER_HUNDRED_LEUKOCYTES.get(line.code)
        resource = self._observation(_loinc(code, line.name))
        resource |= {"method": {"text": _("Digital images, named by a model and reviewed")}}
        resource |= _value(line.relative, unit)
        resource |= _judged(line.flag, line.limits, unit)
        resource["component"] = [
            *_interval(line.relative, unit),
            {"code": {"text": _("Cells counted")}, "valueInteger": line.count},
            {"code": {"text": _("Leukocytes counted")}, "valueInteger": self.content.leukocytes},
        ]
        if self.content.limited:
            resource["note"] = [{"text": self._limited()}]
        return resource

    def _limited(self) -> str:
        words = ngettext(
            "Limited: %(count)s leukocyte was counted; a differential wants at least 100.",
            "Limited: %(count)s leukocytes were counted; a differential wants at least 100.",
            self.content.leukocytes,
        )
        return words % {"count": self.content.leukocytes}

    def _absolute(self, line: ClassLine) -> dict[str, Any]:
        resource = self._observation(_loinc(loinc.PER_VOLUME.get(line.code), line.name))
        if line.absolute:
            resource |= _value(line.absolute, PER_LITRE)
            if interval := _interval(line.absolute, PER_LITRE):
                resource["component"] = interval
        return resource | _judged(line.absolute_flag, line.absolute_limits, PER_LITRE)

    def _white_cells(self) -> dict[str, Any]:
        cells = self.content.white_cells
        corrected = cells is not None and cells.corrected
        code = loinc.LEUKOCYTES_CORRECTED if corrected else loinc.LEUKOCYTES
        resource = self._observation(_loinc(code, _("Leukocytes")))
        if cells:
            resource["valueQuantity"] = _quantity(cells.value, PER_LITRE)
            entered = {"code": {"text": _("Count of the analyser, as entered")}}
            resource["component"] = [
                entered | {"valueQuantity": _quantity(cells.entered, PER_LITRE)}
            ]
        return resource

    def _count(self, line: ClassLine) -> dict[str, Any]:
        """Cells seen beside the differential; no code says just that, so words do."""
        name = _("%(name)s: cells seen on the images") % {"name": line.name}
        # The range is per 100 leukocytes or 10^9/L and the value neither; the flag goes with it.
        flagged = _judged(line.flag or line.absolute_flag, Limits(), PER_HUNDRED)
        return self._observation({"text": name}) | {"valueInteger": line.count} | flagged

    def _finding(self, words: str) -> dict[str, Any]:
        text = _("Finding outside the count")
        return self._observation({"text": text}) | {"valueString": _speakable(words)}


def _coded(system: str, code: str, display: str) -> dict[str, Any]:
    return {"coding": [{"system": TERMINOLOGY + system, "code": code, "display": display}]}


def _loinc(code: loinc.Code | None, text: str) -> dict[str, Any]:
    """A concept with its code, or in words alone where there is none."""
    if code is None:
        return {"text": text}
    coding = {"system": loinc.SYSTEM, "code": code.code, "display": code.display}
    return {"coding": [coding], "text": text}


def _quantity(value: float, unit: tuple[str, str]) -> dict[str, Any]:
    return {"value": float(half_up(value, 4)), "unit": unit[0], "system": UCUM, "code": unit[1]}


def _value(estimate: Interval, unit: tuple[str, str]) -> dict[str, Any]:
    if estimate.value is None:
        return {"dataAbsentReason": _coded("data-absent-reason", "not-performed", "Not Performed")}
    return {"valueQuantity": _quantity(estimate.value, unit)}


def _interval(estimate: Interval, unit: tuple[str, str]) -> list[dict[str, Any]]:
    ends = {"low": estimate.low, "high": estimate.high}
    known = {name: _quantity(end, unit) for name, end in ends.items() if end is not None}
    text = _("Exact 95 % confidence interval (Clopper-Pearson)")
    return [{"code": {"text": text}, "valueRange": known}] if known else []


def _judged(flag: Flag | None, limits: Limits, unit: tuple[str, str]) -> dict[str, Any]:
    """The range and how the value stands to it."""
    said: dict[str, Any] = {}
    if limits.given:
        ends = {"low": limits.low, "high": limits.high}
        said["referenceRange"] = [
            {name: _quantity(end, unit) for name, end in ends.items() if end is not None}
        ]
    if flag is None:
        return said
    if flag.standing in INTERPRETATIONS:
        said["interpretation"] = [
            _coded("v3-ObservationInterpretation", *INTERPRETATIONS[flag.standing])
        ]
    elif flag.more:
        words = ngettext(
            "count %(count)s more leukocyte to settle",
            "count %(count)s more leukocytes to settle",
            flag.more,
        )
        said["interpretation"] = [{"text": words % {"count": flag.more}}]
    else:
        said["interpretation"] = [{"text": _("not settled by counting")}]
    return said


def _speakable(text: str) -> str:
    """Text without the control characters neither XML nor FHIR's strings may hold."""
    return "".join(each for each in text if each in "\n\t" or ord(each) >= 32)
