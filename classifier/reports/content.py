"""What a report says, whatever form it takes: plain values read from a case's result document.

The document is that of ``cases.services.snapshots``: the frozen one of a signature, or the same
made from the case as it stands. Nothing here asks the database.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from django.utils.dateparse import parse_date, parse_datetime
from django.utils.translation import get_language
from django.utils.translation import gettext as _

if TYPE_CHECKING:
    from collections.abc import Mapping


class ReportStatus(StrEnum):
    """Where the report stands; the words are those of FHIR's DiagnosticReport."""

    PRELIMINARY = "preliminary"  # nobody has signed
    FINAL = "final"
    AMENDED = "amended"  # signed again after an earlier signature


@dataclass(frozen=True)
class Interval:
    """A value with its exact 95 % interval; ``None`` where there is no such number."""

    value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Flag:
    """How a value stands to its range.

    Attributes:
        standing: ``high``, ``low``, ``present``, ``within``, ``not_seen`` or ``undecided``.
        more: leukocytes to count until an undecided one is settled, if that can be told.
    """

    standing: str
    more: int | None = None

    @property
    def outside(self) -> bool:
        return self.standing in ("high", "low", "present")


@dataclass(frozen=True)
class Limits:
    """A reference range; ``None`` for an end that is not given."""

    low: float | None = None
    high: float | None = None

    @property
    def given(self) -> bool:
        return self.low is not None or self.high is not None


@dataclass(frozen=True)
class ClassLine:
    """One class of the result.

    Attributes:
        names: by language.
        relative: percent of leukocytes, or cells per 100 leukocytes for a class that is none.
        absolute: in 10^9/L; ``None`` without a white cell count.
        limits, absolute_limits: the laboratory's ranges for this patient.
        flag, absolute_flag: how the values stand to them; ``None`` where there is none.
    """

    code: str
    names: Mapping[str, str]
    color: str
    group: str
    counted: bool
    count: int
    relative: Interval
    absolute: Interval | None
    limits: Limits
    absolute_limits: Limits
    flag: Flag | None
    absolute_flag: Flag | None

    @property
    def name(self) -> str:
        return name_in(self.names)

    @property
    def seen(self) -> bool:
        return bool(self.count)


@dataclass(frozen=True)
class WhiteCells:
    """The analyser's white cell count in 10^9/L, as entered and as absolute counts rest on it.

    ``reason`` is that of ``cases.services.results.WhiteCells``.
    """

    entered: float
    value: float
    reason: str

    @property
    def corrected(self) -> bool:
        return self.reason == "corrected"


@dataclass(frozen=True)
class FindingLine:
    """Something seen outside the counted set: a class, words, or both, and where if that is known.

    ``image`` and ``cell`` are their numbers in the case.
    """

    code: str
    names: Mapping[str, str]
    text: str
    image: int | None = None
    cell: int | None = None

    @property
    def words(self) -> str:
        where = [
            _("image %(number)s") % {"number": self.image} if self.image else "",
            _("cell %(number)s") % {"number": self.cell} if self.cell else "",
        ]
        return " · ".join(each for each in (name_in(self.names), self.text, *where) if each)


@dataclass(frozen=True)
class CellLine:
    """One cell as the document holds it."""

    key: int
    number: int
    label: str
    model_label: str
    by_reviewer: bool
    confidence: float | None


@dataclass(frozen=True)
class Signature:
    """Who signed a version, and when."""

    name: str
    signed_at: datetime
    version: int
    comment: str


@dataclass(frozen=True)
class Amended:
    """The version a report replaces, and why."""

    version: int
    reason: str


@dataclass(frozen=True)
class Head:
    """The laboratory as it heads a report; its name is the document's."""

    name: str
    slug: str
    address: str
    phone: str
    email: str
    accreditation: str


@dataclass(frozen=True)
class Person:
    """The patient as the laboratory knows them; ``age`` in years at collection."""

    identifier: str
    name: str
    sex: str
    birth_date: date | None
    age: int | None


@dataclass(frozen=True)
class ReportContent:
    """All that a report of a case says.

    Attributes:
        case_id: the case's key.
        laboratory: its name as in the document, address and the like as they are today.
        signature: ``None`` while nobody has signed what the report says.
        amended: the version this one replaces, or is going to replace.
        reopened: whether this version has been amended since it was signed.
        digest: SHA-256 of the document, as 64 hexadecimal digits, the same in every language.
        document: the document itself.
    """

    case_id: int
    laboratory: Head
    signature: Signature | None
    amended: Amended | None
    reopened: bool
    digest: str
    document: Mapping[str, Any]

    @property
    def status(self) -> ReportStatus:
        if self.signature is None:
            return ReportStatus.PRELIMINARY
        return ReportStatus.AMENDED if self.signature.version > 1 else ReportStatus.FINAL

    @property
    def version(self) -> int | None:
        return self.signature.version if self.signature else None

    @property
    def patient(self) -> Person:
        held = self.document["patient"]
        return Person(
            identifier=held["identifier"],
            name=held["name"],
            sex=held["sex"],
            birth_date=parse_date(held["birth_date"]) if held["birth_date"] else None,
            age=held["age_at_collection"],
        )

    @property
    def accession_number(self) -> str:
        return str(self.document["case"]["accession_number"])

    @property
    def stain(self) -> str:
        return str(self.document["case"]["stain"])

    @property
    def clinical_note(self) -> str:
        return str(self.document["case"]["clinical_note"])

    @property
    def collected_at(self) -> datetime | None:
        return _moment(self.document["case"]["collected_at"])

    @property
    def received_at(self) -> datetime | None:
        return _moment(self.document["case"]["received_at"])

    @property
    def leukocytes(self) -> int:
        return int(self.document["counts"]["leukocytes"])

    @property
    def limited(self) -> bool:
        return bool(self.document["counts"]["limited"])

    @property
    def white_cells(self) -> WhiteCells | None:
        held = self.document["white_cells"]
        return WhiteCells(**held) if held else None

    @property
    def lines(self) -> list[ClassLine]:
        return [_line(each) for each in self.document["classes"]]

    @property
    def apart(self) -> list[ClassLine]:
        """Erythroblasts and platelets always, classes given by reviewers only when seen."""
        return [
            each
            for each in self.lines
            if not each.counted and (each.group != "review" or each.seen)
        ]

    @property
    def not_applied(self) -> list[str]:
        """What was missing for some reference range to apply."""
        return list(self.document["not_applied"])

    @property
    def fields(self) -> Mapping[str, Any] | None:
        """What the fields say; ``None`` without any, and in versions signed before there were."""
        held: Mapping[str, Any] | None = self.document.get("fields")
        return held

    @property
    def findings(self) -> list[FindingLine]:
        return [
            FindingLine(
                each["class"] or "",
                each["names"] or {},
                each["text"],
                each.get("image"),
                each.get("cell"),
            )
            for each in self.document["findings"]
        ]

    @property
    def models(self) -> list[Mapping[str, Any]]:
        """The model versions that read cells: ``name``, ``weights_sha256`` and more."""
        return list(self.document["models"])

    @property
    def cells(self) -> list[CellLine]:
        fields = self.document["cells"]["fields"]
        rows = (dict(zip(fields, row, strict=True)) for row in self.document["cells"]["rows"])
        return [
            CellLine(
                key=row["id"],
                number=row["number"],
                label=row["label"] or "",
                model_label=row["model_label"] or "",
                by_reviewer=row["label_source"] == "reviewer",
                confidence=row["confidence"],
            )
            for row in rows
        ]

    @property
    def needs_review(self) -> int:
        """Cells a reviewer still has to look at."""
        place = self.document["cells"]["fields"].index("review_state")
        return sum(row[place] == "needs_review" for row in self.document["cells"]["rows"])


def reopened_words() -> str:
    """What a reader of an amended version must know."""
    return _("This version was amended after it was signed. Ask the laboratory for the latest one.")


def name_in(names: Mapping[str, str]) -> str:
    """The name in the active language, or in any."""
    language = (get_language() or "en").split("-")[0]
    return names.get(language) or next(iter(names.values()), "")


def _moment(text: str | None) -> datetime | None:
    return parse_datetime(text) if text else None


def _interval(held: Mapping[str, Any]) -> Interval:
    return Interval(held["value"], held["ci_low"], held["ci_high"])


def _flag(held: Mapping[str, Any] | None) -> Flag | None:
    return Flag(held["standing"], held["more"]) if held else None


def _line(held: Mapping[str, Any]) -> ClassLine:
    limits = held["range"] or {}
    return ClassLine(
        code=held["code"],
        names=held["names"],
        color=held["color"],
        group=held["group"],
        counted=held["counted"],
        count=held["count"],
        relative=_interval(held["relative"]),
        absolute=_interval(held["absolute"]) if held["absolute"] else None,
        limits=Limits(limits.get("percent_low"), limits.get("percent_high")),
        absolute_limits=Limits(limits.get("absolute_low"), limits.get("absolute_high")),
        flag=_flag(held["percent_flag"]),
        absolute_flag=_flag(held["absolute_flag"]),
    )
