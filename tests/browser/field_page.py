"""What tests of a field's page share: annotated BCCD fields, and places on the picture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import transaction

from cases.models import Box
from cases.services.searches import FoundCell, store_found
from ml.detection.fields import CLASSES, read_fields
from tests.field_rows import PLATELET, RED, WHITE

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Page

    from cases.models import CaseImage

KINDS = {"rbc": RED, "wbc": WHITE, "platelet": PLATELET}
FRAME = 420  # as large as the model wants a white cell's frame on BCCD's fields
# Where a field's picture is on the screen, from places in the image.
PLACE = """
([x, y]) => {
  const viewer = OpenSeadragon.getViewer("field-picture");
  const point = viewer.viewport.imageToViewerElementCoordinates(new OpenSeadragon.Point(x, y));
  const area = viewer.element.getBoundingClientRect();
  return [area.left + point.x, area.top + point.y];
}
"""
AT_REST = """
() => {
  const viewer = window.OpenSeadragon?.getViewer("field-picture");
  if (!viewer?.world.getItemAt(0)) return false;
  const [now, goal] = [viewer.viewport.getBounds(true), viewer.viewport.getBounds(false)];
  return Math.abs(now.x - goal.x) + Math.abs(now.width - goal.width) < 0.002;
}
"""


def annotated(image: CaseImage, data: Path, name: str) -> list[Box]:
    """Store what BCCD's annotators drew on a field as if the detector had found it."""
    (field,) = [each for each in read_fields(data, part="val") if each.path.stem == name]
    found = []
    for corners, label in zip(field.boxes, field.labels, strict=True):
        left, top, right, bottom = (round(float(each)) for each in corners)
        box = Box(left, top, right - left, bottom - top)
        kind = KINDS[CLASSES[label]]
        cut = {
            "left": left <= 0,
            "top": top <= 0,
            "right": right >= image.width,
            "bottom": bottom >= image.height,
        }
        edges = tuple(edge for edge, is_cut in cut.items() if is_cut)
        found.append(FoundCell(kind, box, 0.9, edges, None if kind == RED else FRAME))
    found.sort(key=lambda each: (each.box.top, each.box.left))
    with transaction.atomic():
        store_found(image_id=image.pk, found=found)
    return [each.box for each in found]


def settled(page: Page) -> None:
    """Wait until the picture is there and moves no more."""
    page.wait_for_function(AT_REST)


def on_screen(page: Page, x: float, y: float) -> tuple[float, float]:
    """Where a place of the image is on the screen."""
    settled(page)
    place: Any = page.evaluate(PLACE, [x, y])
    return place[0], place[1]


def drag(page: Page, start: tuple[float, float], end: tuple[float, float]) -> None:
    """Drag with the mouse between two places of the image."""
    page.mouse.move(*on_screen(page, *start))
    page.mouse.down()
    first, last = on_screen(page, *start), on_screen(page, *end)
    page.mouse.move((first[0] + last[0]) / 2, (first[1] + last[1]) / 2)
    page.mouse.move(*last)
    page.mouse.up()


def drag_finger(page: Page, start: tuple[float, float], end: tuple[float, float]) -> None:
    """Drag with a finger between two places of the image."""
    session = page.context.new_cdp_session(page)
    first, last = on_screen(page, *start), on_screen(page, *end)
    middle = (first[0] + last[0]) / 2, (first[1] + last[1]) / 2
    for kind, places in (
        ("touchStart", [first]),
        ("touchMove", [middle]),
        ("touchMove", [last]),
        ("touchEnd", []),
    ):
        points = [{"x": x, "y": y} for x, y in places]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
