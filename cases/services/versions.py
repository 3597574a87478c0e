"""What changed between two versions of a result."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# What is said once of a version, by the document's part it stands in.
FACTS = {
    "laboratory": ("name",),
    "patient": ("identifier", "name", "sex", "birth_date", "age_at_collection"),
    "case": ("accession_number", "collected_at", "received_at", "stain", "clinical_note"),
    "rules": ("require_all_reviewed", "nrbc_threshold", "analyser_excludes_nrbc"),
    "fields": ("fields", "border_rule", "platelet_factor"),
}


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

    @property
    def flag_changed(self) -> bool:
        """Whether the class stands otherwise to its range than it did."""
        return _standings(self.before) != _standings(self.after)


@dataclass(frozen=True)
class FactChange:
    """Something said once of a version; ``name`` is its place in the document."""

    name: str
    before: Any
    after: Any


@dataclass(frozen=True)
class KindChange:
    """One kind of cells on the fields; ``None`` for a version without searched fields."""

    kind: str
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None

    @property
    def changed(self) -> bool:
        """Whether their number or their mean per field differs."""
        return any(
            _of(self.before, name) != _of(self.after, name) for name in ("count", "per_field")
        )


@dataclass(frozen=True)
class FieldsChange:
    """What the fields say in two versions; ``platelets`` are the two estimates, where there are."""

    kinds: list[KindChange]
    platelets: tuple[Mapping[str, Any] | None, Mapping[str, Any] | None]

    @property
    def platelets_changed(self) -> bool:
        return self.platelets[0] != self.platelets[1]


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
        classes: every class either lists with a cell or that stands otherwise to its range, in
            the later one's order.
        facts: identifiers, the patient's data and the laboratory's rules, where they differ.
        fields: what the fields say; ``None`` when neither version has a searched one.
        cells: the cells whose label or review differs, or that only one holds.
        findings_gone: findings of the earlier that the later lacks.
        findings_new: findings of the later that the earlier lacks.
        white_cells: the two WBC counts when they differ.
        ranges_changed: whether the reference ranges that were applied differ.
    """

    classes: list[ClassChange]
    facts: list[FactChange]
    fields: FieldsChange | None
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
        facts=list(_fact_changes(before, after)),
        fields=_fields_change(before.get("fields"), after.get("fields")),
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
        if either is None:
            continue
        change = ClassChange(
            code=code,
            names=either["names"],
            color=either["color"],
            counted=either["counted"],
            before=old,
            after=new,
        )
        if change.flag_changed or any(each and each["count"] for each in (old, new)):
            yield change


def _standings(row: Mapping[str, Any] | None) -> list[str | None]:
    flags = (_of(row, name) for name in ("percent_flag", "absolute_flag"))
    return [_of(flag, "standing") for flag in flags]


def _of(part: Mapping[str, Any] | None, name: str) -> Any:
    return part.get(name) if part else None


def _fact_changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[FactChange]:
    for part, names in FACTS.items():
        for name in names:
            old, new = (_of(held.get(part), name) for held in (before, after))
            if old != new:
                yield FactChange(f"{part}.{name}", old, new)
    if before["not_applied"] != after["not_applied"]:
        yield FactChange("not_applied", before["not_applied"], after["not_applied"])
    models = [{each["weights_sha256"]: each["name"] for each in held["models"]}
              for held in (before, after)]  # fmt: skip
    if models[0] != models[1]:
        yield FactChange("models", list(models[0].values()), list(models[1].values()))


def _fields_change(
    before: Mapping[str, Any] | None, after: Mapping[str, Any] | None
) -> FieldsChange | None:
    old, new = ({each["kind"]: each for each in held["kinds"]} if held else {}
                for held in (before, after))  # fmt: skip
    if not old and not new:
        return None
    return FieldsChange(
        kinds=[KindChange(kind, old.get(kind), new.get(kind)) for kind in new or old],
        platelets=(_of(before, "platelets"), _of(after, "platelets")),
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
