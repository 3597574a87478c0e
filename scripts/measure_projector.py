"""Measure the frames of the projector with many points, in a real browser without a graphics card.

A projection of the shipped bundle's test set, repeated with noise up to the number of points, is
turned for some seconds in headless Chromium, whose WebGL is computed in software (SwiftShader): a
graphics card does better. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from typing import Any

from scripts.measuring import (
    PASSWORD,
    SOFTWARE_WEBGL,
    chromium,
    free_port,
    running,
    scratch_site,
    wait_until_ready,
)

TURN = """async (seconds) => {
  const { plot } = document.getElementById("projector-stage");
  const times = [];
  plot.gl.startOrbitAnimation();
  await new Promise((done) => {
    const end = performance.now() + 1000 * seconds;
    const tick = (now) => {
      times.push(now);
      if (now < end) { requestAnimationFrame(tick); } else { done(); }
    };
    requestAnimationFrame(tick);
  });
  plot.gl.stopOrbitAnimation();
  const gaps = times.slice(1).map((each, index) => each - times[index]).sort((a, b) => a - b);
  const at = (share) => Math.round(10 * gaps[Math.floor(share * (gaps.length - 1))]) / 10;
  return { frames_per_second: Math.round(10000 * gaps.length / (times.at(-1) - times[0])) / 10,
           frame_ms_median: at(0.5), frame_ms_95: at(0.95) };
}"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=5)
    arguments = parser.parse_args()
    os.environ["DJANGO_SETTINGS_MODULE"] = "pbcsite.settings"
    port = free_port()
    serve = [sys.executable, "manage.py", "runserver", "--noreload", "--insecure"]
    with scratch_site():
        import django

        django.setup()
        projection = fill(arguments.points)
        with running([*serve, f"127.0.0.1:{port}"]):
            wait_until_ready(port)
            figures = turn(f"http://127.0.0.1:{port}", projection, arguments.seconds)
    print(json.dumps({"points": arguments.points, **figures}))
    return 0


def fill(count: int) -> int:
    """Store a computed projection of this many points; returns its key."""
    import numpy as np

    from cases.models import User
    from classifier.models import Projection
    from classifier.services.projections import request_projection, run_waiting, shown_values
    from classifier.services.registry import ensure_model

    ensure_model()
    reviewer = User.objects.get(username="reviewer")
    projection = request_projection(user=reviewer, source="test", method="pca")
    run_waiting()
    projection.refresh_from_db()
    values = shown_values(projection)
    places = np.arange(count) % projection.count
    noise = np.random.default_rng(0).normal(0, 0.01, (count, 3))
    Projection.objects.filter(pk=projection.pk).update(
        points=(values["points"][places] + noise).astype("<f4").tobytes(),
        cells=values["cells"][places].astype("<i8").tobytes(),
        neighbours=values["neighbours"][places].astype("<i4").tobytes(),
        count=count,
        total=count,
    )
    return int(projection.pk)


def turn(address: str, projection: int, seconds: float) -> dict[str, Any]:
    """Open the projection as the reviewer, wait for its points, turn it and count frames."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = chromium(playwright, *SOFTWARE_WEBGL)
        page = browser.new_page(base_url=address, viewport={"width": 1440, "height": 900})
        page.set_default_timeout(60_000)
        page.goto("/login/")
        page.fill("#id_username", "reviewer")
        page.fill("#id_password", PASSWORD)
        page.locator("main button[type=submit]").click()
        page.wait_for_url(lambda url: "/login/" not in url)
        page.goto(f"/projector/{projection}/")
        page.wait_for_selector("#projector-stage[data-shows=points]")
        figures: dict[str, Any] = page.evaluate(TURN, seconds)
        browser.close()
    return figures


if __name__ == "__main__":
    sys.exit(main())
