"""Whether a printed report says what the laboratory's record says."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from cases.models import SignOff
from cases.services.errors import Missing
from cases.services.snapshots import fingerprint
from classifier.reports.services.contents import DRAFT, report_content

if TYPE_CHECKING:
    from cases.models import SmearCase
    from classifier.reports.content import ReportContent

# So many digits of the hash stand in the address under the code.
DIGITS = 32


class Verdict(StrEnum):
    """What is said of a printed report."""

    GENUINE = "genuine"  # the signed version, and the last one
    REPLACED = "replaced"  # a signed version after which there is another
    REOPENED = "reopened"  # the last signed version of a case that is being amended
    UNCHANGED_DRAFT = "unchanged_draft"  # preliminary, and the case still stands so
    CHANGED_DRAFT = "changed_draft"  # preliminary, and the case stands otherwise by now
    UNKNOWN = "unknown"  # no such version, or its content is another
    DAMAGED = "damaged"  # the record itself no longer matches its hash


@dataclass(frozen=True)
class Verification:
    """The verdict, with what the record holds under that version.

    Attributes:
        verdict: what is said.
        content: of the version asked about; ``None`` where there is none.
        latest: number of the last signed version; 0 without one.
    """

    verdict: Verdict
    content: ReportContent | None
    latest: int


def verify(*, case: SmearCase, version: int, digest: str) -> Verification:
    """Hold a printed report's version and hash against the record.

    Args:
        case: with its patient and laboratory at hand.
        version: as printed; 0 for a preliminary report.
        digest: the first hexadecimal digits of the hash, as in the address.
    """
    signed = SignOff.objects.of_case(case.pk).order_by("-version")
    latest = signed.values_list("version", flat=True).first() or 0
    try:
        content = report_content(case=case, version=version)
    except Missing:
        return Verification(Verdict.UNKNOWN, None, latest)
    matches = content.digest.startswith(digest)
    if version == DRAFT:
        verdict = Verdict.UNCHANGED_DRAFT if matches else Verdict.CHANGED_DRAFT
    elif fingerprint(content.document) != content.digest:
        verdict = Verdict.DAMAGED
    elif not matches:
        verdict = Verdict.UNKNOWN
    elif version < latest:
        verdict = Verdict.REPLACED
    else:
        verdict = Verdict.GENUINE if case.is_frozen else Verdict.REOPENED
    return Verification(verdict, content, latest)
