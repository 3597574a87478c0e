"""Write to the trail, and check it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from cases.audit import guard
from cases.audit.models import (
    GENESIS,
    HEAD,
    AuditEntry,
    AuditHead,
    key_id_of,
    present_key,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

CHUNK = 2000


def record(
    *,
    action: str,
    subject: str,
    user: Any = None,
    laboratory_id: int | None = None,
    case_id: int | None = None,
    details: dict[str, Any] | None = None,
    address: str | None = None,
    username: str = "",
) -> AuditEntry:
    """Append an entry, in a transaction of its own or the caller's.

    Writers queue for the head of the chain until that transaction ends, so it has to be short.

    Args:
        action: one of :class:`cases.audit.models.Action`.
        subject: what was seen or done, such as the name of an address.
        user: whoever did it; ``None`` for the site itself.
        username: who claims to be whom, when nobody is logged in.
    """
    key = present_key()
    with transaction.atomic():
        head = AuditHead.objects.select_for_update().get(pk=HEAD)
        entry = AuditEntry(
            sequence=head.sequence + 1,
            at=timezone.now(),
            user_id=getattr(user, "pk", None),
            username=(getattr(user, "username", "") or username)[:150],
            laboratory_id=laboratory_id,
            case_id=case_id,
            action=action,
            subject=subject[:200],
            details=details or {},
            address=address,
            key_id=key_id_of(key),
            previous=head.digest,
        )
        entry.digest = entry.computed_digest(key)
        entry.save()
        head.sequence, head.digest = entry.sequence, entry.digest
        head.seal = head.computed_seal(key)
        head.save()
    return entry


@dataclass
class Verdict:
    """What a check of the trail found.

    Attributes:
        entries: how many rows were read.
        faults: one sentence for every row that is not as it was written.
        head: sequence and digest of the last row, to compare with the next time.
    """

    entries: int = 0
    faults: list[str] = field(default_factory=list)
    head: str = ""


def verify(*, expected_head: str = "") -> Verdict:
    """Walk the chain from its first row.

    Args:
        expected_head: ``sequence:digest`` as an earlier check gave it: that row must still be
            there, which also finds a trail put back to an older copy.
    """
    keys = {key_id_of(each): each for each in settings.AUDIT_KEYS}
    verdict = Verdict()
    missing_triggers = guard.triggers_of(connection).keys() - guard.installed(connection)
    for name in sorted(missing_triggers):
        verdict.faults.append(f"the trigger {name} is missing")
    before, digest = 0, GENESIS
    wanted = expected_head.partition(":")
    for entry in _entries():
        verdict.entries += 1
        number = entry.sequence
        if number != before + 1:
            verdict.faults.append(_gone(before + 1, number - 1))
        elif entry.previous != digest:
            verdict.faults.append(f"entry {number} does not follow entry {before}")
        key = keys.get(entry.key_id)
        if key is None:
            verdict.faults.append(
                f"entry {number} was signed with a key that AUDIT_KEYS does not hold"
            )
        elif entry.computed_digest(key) != entry.digest:
            verdict.faults.append(f"entry {number} was edited")
        if str(number) == wanted[0] and entry.digest != wanted[2]:
            verdict.faults.append(f"entry {number} is another than at the earlier check")
        before, digest = number, entry.digest
    _check_head(verdict, keys, before, digest)
    if wanted[0] and int(wanted[0]) > before:
        verdict.faults.append(_gone(before + 1, int(wanted[0])))
    verdict.head = f"{before}:{digest}"
    return verdict


def _entries() -> Iterator[AuditEntry]:
    rows = AuditEntry.objects.order_by("sequence")
    last = -1
    while chunk := list(rows.filter(sequence__gt=last)[:CHUNK]):
        yield from chunk
        last = chunk[-1].sequence


def _check_head(verdict: Verdict, keys: dict[str, str], last: int, digest: str) -> None:
    head = AuditHead.objects.filter(pk=HEAD).first()
    if head is None:
        verdict.faults.append("the head of the chain is missing")
    elif head.sequence > last:
        verdict.faults.append(_gone(last + 1, head.sequence))
    elif (head.sequence, head.digest) != (last, digest):
        verdict.faults.append(f"the head says {head.sequence}, and the last entry is {last}")
    elif last and head.seal not in {head.computed_seal(each) for each in keys.values()}:
        verdict.faults.append("the head of the chain was edited")


def _gone(first: int, last: int) -> str:
    return (
        f"entry {first} is missing" if first == last else f"entries {first} to {last} are missing"
    )
