"""What changed between two versions of a result."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@dataclass(frozen=True)
class ClassChange:
    """One class in two versions; ``before`` or ``after`` is ``None`` where it is not listed."""

    code: str
    names: dict[str, str]
    color: str
    counted: bool
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None

    @property
    def difference(self) -> int:
        """Cells more, or less, in the later version."""
        counts = [each["count"] if each else 0 for each in (self.before, self.after)]
        return int(counts[1]) - int(counts[0])


@dataclass(frozen=True)
class CellChange:
    """One cell in two versions; ``None`` for a version that does not hold it."""

    number: int
    cell_id: int
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None


@dataclass(frozen=True)
class Difference:
    """All that differs between two snapshots.

    Attributes:
        classes: every class either lists with a cell, in the later one's order.
        cells: the cells whose label or review differs, or that only one holds.
        findings_gone: findings of the earlier that the later lacks.
        findings_new: findings of the later that the earlier lacks.
        white_cells: the two WBC counts when they differ.
        ranges_changed: whether the reference ranges that were applied differ.
    """

    classes: list[ClassChange]
    cells: list[CellChange]
    findings_gone: list[Mapping[str, Any]]
    findings_new: list[Mapping[str, Any]]
    white_cells: tuple[Any, Any] | None
    ranges_changed: bool


def difference(*, before: Mapping[str, Any], after: Mapping[str, Any]) -> Difference:
    """Compare two snapshots of one case, as they come from the database."""
    findings = [{each["id"]: each for each in held["findings"]} for held in (before, after)]
    white_cells = before["white_cells"], after["white_cells"]
    ranges = [{each["code"]: each["range"] for each in held["classes"]} for held in (before, after)]
    return Difference(
        classes=list(_class_changes(before, after)),
        cells=list(_cell_changes(before, after)),
        findings_gone=[each for key, each in findings[0].items() if key not in findings[1]],
        findings_new=[each for key, each in findings[1].items() if key not in findings[0]],
        white_cells=white_cells if white_cells[0] != white_cells[1] else None,
        ranges_changed=ranges[0] != ranges[1],
    )


def cells_of(snapshot: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The snapshot's cells as objects, in the order of their numbers."""
    names = snapshot["cells"]["fields"]
    return [dict(zip(names, each, strict=True)) for each in snapshot["cells"]["rows"]]


def _class_changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[ClassChange]:
    earlier = {each["code"]: each for each in before["classes"]}
    later = {each["code"]: each for each in after["classes"]}
    for code in [*later, *(code for code in earlier if code not in later)]:
        old, new = earlier.get(code), later.get(code)
        either = new or old
        if either is None or not any(each and each["count"] for each in (old, new)):
            continue
        yield ClassChange(
            code=code,
            names=either["names"],
            color=either["color"],
            counted=either["counted"],
            before=old,
            after=new,
        )


def _cell_changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[CellChange]:
    earlier, later = ({each["id"]: each for each in cells_of(held)} for held in (before, after))
    everything = earlier | later
    for key in sorted(everything, key=lambda key: everything[key]["number"]):
        old, new = earlier.get(key), later.get(key)
        if old and new and all(old[name] == new[name] for name in ("label", "review_state")):
            continue
        either = new or old
        if either is not None:
            yield CellChange(number=either["number"], cell_id=key, before=old, after=new)
