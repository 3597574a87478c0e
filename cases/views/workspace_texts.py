"""What the workspace's scripts say, in the reader's language."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext

if TYPE_CHECKING:
    from collections.abc import Callable


def _forms(sentence: Callable[[int], str]) -> list[str]:
    """A sentence for one and for several; the scripts put the number where ``{count}`` stands."""
    return [sentence(1), sentence(2)]


def texts() -> dict[str, Any]:
    """Sentences by name; words in braces are filled in by the scripts."""
    return {
        "cell": _("Cell {number}"),
        "unnamed": _("not yet named"),
        "needsReview": _("needs review"),
        "confirmed": pgettext("review", "confirmed"),
        "corrected": pgettext("review", "corrected"),
        "flagged": _("flagged"),
        "unfamiliar": _("unfamiliar to the model"),
        "strange": pgettext("cell", "unfamiliar"),
        "waiting": pgettext("work", "queued"),
        "failed": pgettext("work", "failed"),
        "changedByOther": _("changed by somebody else"),
        "group": _forms(lambda n: ngettext("{name}: {count} cell", "{name}: {count} cells", n)),
        "queue": _("Most uncertain first"),
        "found": _forms(lambda n: ngettext("{count} cell shown", "{count} cells shown", n)),
        "selected": _forms(
            lambda n: ngettext("{count} cell selected", "{count} cells selected", n)
        ),
        "named": _forms(
            lambda n: ngettext("{count} cell is now: {name}", "{count} cells are now: {name}", n)
        ),
        "confirmedCells": _forms(
            lambda n: ngettext("{count} cell confirmed", "{count} cells confirmed", n)
        ),
        "flagRaised": _forms(
            lambda n: ngettext("{count} cell flagged", "{count} cells flagged", n)
        ),
        "flagLowered": _forms(
            lambda n: ngettext("Flag of {count} cell lowered", "Flags of {count} cells lowered", n)
        ),
        "undone": _forms(
            lambda n: ngettext(
                "Taken back: {count} cell is as it was",
                "Taken back: {count} cells are as they were",
                n,
            )
        ),
        "nothingToUndo": _("There is nothing of yours to take back."),
        "onlyNamed": _("A cell without a name cannot be confirmed: name it."),
        "othersChanged": _forms(
            lambda n: ngettext("{who} changed {count} cell.", "{who} changed {count} cells.", n)
        ),
        "refused": _("Not saved."),
        "nowIs": _("Cell {number} is now: {name}"),
        "byWhom": _("by {who}"),
        "notReached": _("The server was not reached. Nothing was saved; try again."),
        "sessionEnded": _("Your session has ended. Reload the page and log in again."),
        "frozen": _("The case was signed off meanwhile; nothing can be changed any more."),
        "reopened": _("The case can be changed again."),
        "queueDone": _("No cell needs review any more."),
        "nothingFound": _("No cell matches"),
        "readOnly": _("You can look at this case, but not change it."),
        "close": _("Close"),
        "confirm": _("Confirm"),
        "flag": _("Flag for review"),
        "lowerFlag": _("Lower the flag"),
        "withComment": _("With a comment…"),
        "openPage": _("Open the cell's page"),
        "selectGroup": _("Select the whole class"),
        "dragging": _forms(lambda n: ngettext("{count} cell", "{count} cells", n)),
        "loadFailed": _("The cells could not be fetched. Reload the page."),
        "limited": _("limited: {total} of 100 leukocytes"),
        "wbc": _("WBC"),
        "menuFor": _forms(
            lambda n: ngettext("What to do with {count} cell", "What to do with {count} cells", n)
        ),
    }
