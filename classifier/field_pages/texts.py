"""What the scripts of a field's page say, in the reader's language."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext

from cases.models import Detection, DetectionCorrection, Exclusion


def texts() -> dict[str, Any]:
    """Sentences by name; words in braces are filled in by the scripts."""
    kinds = {f"kind_{value}": str(label) for value, label in Detection.Kind.choices}
    done = {f"did_{value}": str(label) for value, label in DetectionCorrection.Action.choices}
    exclusions = {f"excluded_{value}": str(label) for value, label in Exclusion.choices if value}
    return {
        **kinds,
        **done,
        **exclusions,
        "group_white_cell": _("White cells without a name"),
        "group_platelet": _("Platelets without a name"),
        "group_red_cell": _("Red cells"),
        "group_excluded": _("Not counted"),
        "picture": _("The field. Arrows go from cell to cell, question mark shows all keys."),
        "needsReview": _("needs review"),
        "waiting": pgettext("work", "queued"),
        "failed": pgettext("work", "failed"),
        "drawn": _("drawn by a reviewer"),
        "atEdge": _("cut by the edge"),
        "cutBy": _("Cut by the edge of the image: {edges}"),
        "left": pgettext("edge", "left"),
        "top": pgettext("edge", "top"),
        "right": pgettext("edge", "right"),
        "bottom": pgettext("edge", "bottom"),
        "page": _("Page {page} of {pages}"),
        "shown": _("{count} of {total} shown"),
        "numbered": _("No. {number}"),
        "pictureBusy": _("The picture is being prepared: {percent} %"),
        "searchBusy": _("The model looks for cells: {percent} %"),
        "naming": [
            ngettext("{count} cell waits for its name", "{count} cells wait for their names", n)
            for n in (1, 2)
        ],
        "searched": [ngettext("{count} cell found", "{count} cells found", n) for n in (1, 2)],
        "drawHow": _("Draw a box around the cell, or press Enter for one in the middle."),
        "fixHow": _(
            "Drag the handles or the box. With keys: arrows move it, Shift and arrows size it, "
            "Enter saves, Escape gives up."
        ),
        "boxIs": _("{left}, {top}; {width} by {height} pixels"),
        "givenUp": _("Given up"),
        "chooseFirst": _("Choose a cell first."),
        "added": _("Cell {number} added"),
        "removed": _("Cell {number} removed: it counts no more"),
        "restored": _("Cell {number} counts again"),
        "fixed": _("The box of cell {number} is fixed"),
        "kindChanged": _("The kind of cell {number} is changed"),
        "duplicate": _("Cell {number} is marked as a duplicate"),
        "noDuplicate": _("Cell {number} is no duplicate any more"),
        "undone": _("Taken back: cell {number}"),
        "nothingToUndo": _("There is nothing to take back."),
        "readOnly": _("You may look at this case but not change it."),
        "refused": _("Not saved."),
        "notReached": _("The server could not be reached. Try again in a moment."),
        "sessionEnded": _("You are logged out. Log in again in another tab, then repeat the step."),
        "othersChanged": _("Somebody else changed cells of this field."),
        "close": _("Close"),
    }
