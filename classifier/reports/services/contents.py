"""What a case's report says: from a signature's frozen document, or from the case as it stands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.utils.translation import gettext_lazy as _

from cases.models import Amendment, SignOff
from cases.services.errors import Missing
from cases.services.snapshots import as_stored, case_snapshot, fingerprint
from classifier.reports.content import Amended, Head, ReportContent, Signature

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from cases.models import SmearCase

# Asks for the case as it stands, also when there is a signed version.
DRAFT = 0


def report_content(*, case: SmearCase, version: int | None = None) -> ReportContent:
    """Gather what the report says, in a bounded number of queries.

    Args:
        case: with its patient and laboratory at hand.
        version: of the signature; ``None`` for what stands now: the last signed version of a
            signed-off case, else the case as it is, preliminary; ``DRAFT`` for that in any case.

    Raises:
        Missing: ``no_such_version``.
    """
    signed = SignOff.objects.of_case(case.pk).select_related("signed_by")
    if version is None:
        version = DRAFT
        if case.is_frozen:
            version = signed.order_by("-version").values_list("version", flat=True).first() or DRAFT
    if version == DRAFT:
        document = as_stored(case_snapshot(case=case))
        return _content(case, document, fingerprint(document), None)
    sign_off = signed.filter(version=version).first()
    if sign_off is None:
        raise Missing("no_such_version", _("This case has no such signed version."))
    return _content(case, sign_off.snapshot, sign_off.snapshot_sha256, sign_off)


def _content(
    case: SmearCase, document: Mapping[str, Any], digest: str, sign_off: SignOff | None
) -> ReportContent:
    laboratory = case.laboratory
    amendments = Amendment.objects.of_case(case.pk).for_display().order_by("sign_off__version")
    by_version = {each.sign_off.version: each for each in amendments}
    replaced = sign_off.version - 1 if sign_off else max(by_version, default=0)
    amendment = by_version.get(replaced)
    return ReportContent(
        case_id=case.pk,
        laboratory=Head(
            name=document["laboratory"]["name"],
            slug=laboratory.slug,
            address=laboratory.address,
            phone=laboratory.phone,
            email=laboratory.email,
            accreditation=laboratory.accreditation,
        ),
        signature=Signature(
            name=sign_off.signed_by.get_full_name() or sign_off.signed_by.get_username(),
            signed_at=sign_off.signed_at,
            version=sign_off.version,
            comment=sign_off.comment,
        )
        if sign_off
        else None,
        amended=Amended(amendment.sign_off.version, amendment.reason) if amendment else None,
        reopened=bool(sign_off and sign_off.version in by_version),
        digest=digest,
        document=document,
    )
