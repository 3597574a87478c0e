"""What a report says, whatever form it takes: plain values, no queries, nothing translated."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from django.core.serializers.json import DjangoJSONEncoder

if TYPE_CHECKING:
    from datetime import date, datetime


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

    low: float | None
    high: float | None

    @property
    def given(self) -> bool:
        return self.low is not None or self.high is not None


@dataclass(frozen=True)
class ClassLine:
    """One class of the result.

    Attributes:
        relative: percent of leukocytes, or cells per 100 leukocytes for a class that is none.
        absolute: in 10^9/L; ``None`` without a white cell count.
        limits, absolute_limits: the laboratory's ranges for this patient.
        flag, absolute_flag: how the values stand to them; ``None`` where there is none.
    """

    code: str
    group: str
    counted: bool
    count: int
    by_model: int
    by_reviewer: int
    relative: Interval
    absolute: Interval | None = None
    limits: Limits = Limits(None, None)
    absolute_limits: Limits = Limits(None, None)
    flag: Flag | None = None
    absolute_flag: Flag | None = None


@dataclass(frozen=True)
class WhiteCells:
    """The analyser's white cell count in 10^9/L, as entered and as absolute counts rest on it."""

    entered: float
    value: float
    corrected: bool


@dataclass(frozen=True)
class FindingLine:
    """Something seen outside the counted set: a class's code, words, or both."""

    code: str
    text: str


@dataclass(frozen=True)
class Signature:
    """Who signed a version, and when."""

    name: str
    signed_at: datetime
    version: int
    comment: str = ""


@dataclass(frozen=True)
class Amended:
    """The version a report replaces, and why."""

    version: int
    reason: str


@dataclass(frozen=True)
class Head:
    """The laboratory as it heads a report."""

    name: str
    slug: str
    address: str
    phone: str
    email: str
    accreditation: str


@dataclass(frozen=True)
class Person:
    """The patient as the laboratory knows them."""

    identifier: str
    name: str
    sex: str
    birth_date: date | None
    language: str


@dataclass(frozen=True)
class Model:
    """A model version that named cells of the case."""

    name: str
    weights_sha256: str


@dataclass(frozen=True)
class ReportContent:
    """All that a report of a case says.

    Attributes:
        case_id: the case's key.
        version: of the signature; ``None`` while nobody has signed.
        needs_review: cells a reviewer still has to look at.
        unnamed: cells without a name: waiting, failed or unfamiliar.
        models: the versions that named cells, latest first.
        snapshot_sha256: of the frozen result; empty while nobody has signed.
    """

    case_id: int
    status: ReportStatus
    laboratory: Head
    patient: Person
    accession_number: str
    collected_at: datetime | None
    received_at: datetime | None
    stain: str
    clinical_note: str
    total: int
    needs_review: int
    unnamed: int
    leukocytes: int
    limited: bool
    lines: list[ClassLine]
    white_cells: WhiteCells | None = None
    findings: list[FindingLine] = field(default_factory=list)
    signature: Signature | None = None
    amended: Amended | None = None
    models: list[Model] = field(default_factory=list)
    snapshot_sha256: str = ""

    @property
    def version(self) -> int | None:
        return self.signature.version if self.signature else None

    @property
    def leukocyte_lines(self) -> list[ClassLine]:
        return [each for each in self.lines if each.counted]

    @property
    def apart(self) -> list[ClassLine]:
        """Erythroblasts and platelets always, classes given by reviewers only when seen."""
        return [
            each
            for each in self.lines
            if not each.counted and (each.group != "review" or each.count)
        ]

    @property
    def digest(self) -> str:
        """SHA-256 of all that is said, as 64 hexadecimal digits; the same in every language.

        Of a signed version it covers the frozen result's own hash; the laboratory's address and
        the like may change without it.
        """
        said = asdict(self)
        said["laboratory"] = self.laboratory.slug
        text = json.dumps(said, sort_keys=True, cls=DjangoJSONEncoder)
        return hashlib.sha256(text.encode()).hexdigest()

    def as_json(self) -> dict[str, Any]:
        """The same as plain data."""
        return {**asdict(self), "version": self.version, "digest": self.digest}
