"""Measure the review workspace of a large case in a real browser, on a scratch site as it is run.

A Chromium on this machine opens the case as a reviewer, scrolls, and corrects cells by keys. Times
are the browser's own. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import sys
from functools import partial
from typing import Any

from scripts.measure_case_page import fill
from scripts.measuring import PASSWORD, chromium, free_port, running, scratch_site, wait_until_ready
from scripts.run import commands

LOADS = 5
CORRECTIONS = 20
# First cells: when the first row's pictures are decoded, on the clock that starts with the address.
FIRST_CELLS = """() => new Promise((done) => {
  const look = () => {
    const photos = [...document.querySelectorAll('#gallery [role=option] img')].slice(0, 4);
    if (photos.length === 4 && photos.every((each) => each.complete && each.naturalWidth > 0)) {
      done(performance.now());
    } else {
      requestAnimationFrame(look);
    }
  };
  look();
})"""
WATCH = """() => {
  const count = document.querySelector('.class-row[data-class=blast] [data-count]');
  document.addEventListener('keydown', () => { window.pressed = performance.now(); }, true);
  new MutationObserver(() => requestAnimationFrame(() => {
    window.painted ??= performance.now() - window.pressed;
  })).observe(count, { childList: true, characterData: true });
  const ask = window.fetch;
  window.fetch = async (...given) => {
    const begun = performance.now();
    const answer = await ask(...given);
    if (String(given[0]).includes('/corrections/')) {
      window.answered = performance.now() - begun;
    }
    return answer;
  };
}"""
SCROLL = """() => new Promise((done) => {
  const gallery = document.getElementById('gallery');
  const times = [];
  let last = performance.now();
  let most = 0;
  const step = (now) => {
    times.push(now - last);
    last = now;
    most = Math.max(most, gallery.querySelectorAll('[role=option]').length);
    gallery.scrollTop += 120;
    if (times.length < 300) { requestAnimationFrame(step); } else {
      times.sort((a, b) => a - b);
      done({ median: times[150], p95: times[285], most });
    }
  };
  requestAnimationFrame(step);
})"""
SHIFT = """() => new Promise((done) => {
  let sum = 0;
  new PerformanceObserver((list) => list.getEntries().forEach((each) => {
    if (each.sources.some(({ node }) => node?.parentElement?.closest('#gallery'))) {
      sum += each.value;
    }
  })).observe({ type: 'layout-shift', buffered: true });
  setTimeout(() => done(sum), 300);
})"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, default=10_000)
    cells = parser.parse_args().cells
    os.environ["DJANGO_SETTINGS_MODULE"] = "pbcsite.settings"
    with scratch_site():
        import django

        django.setup()
        case, _reviewer = fill(cells)
        port = free_port()
        with running(commands(port)["web"]):
            wait_until_ready(port)
            figures = {"cells": cells, **browse(f"http://127.0.0.1:{port}", case.pk)}
    print(json.dumps(figures))
    return 0


def browse(site: str, case: int) -> dict[str, Any]:
    """Open, scroll and correct."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = chromium(playwright)
        first = []
        for _ in range(LOADS):  # each with an empty cache
            context = browser.new_context(
                viewport={"width": 1440, "height": 900},
                base_url=site,
                locale="en",
                bypass_csp=True,  # for what is measured with, not for the page
            )
            page = context.new_page()
            log_in(page)
            sent: list[tuple[str, int]] = []
            page.on("requestfinished", partial(weigh, sent))
            page.goto(f"/cases/{case}/", wait_until="commit")
            first.append(page.evaluate(FIRST_CELLS))
            page.wait_for_function(
                "document.querySelectorAll('.cell-tile-blank').length === 0", timeout=30_000
            )
            page.wait_for_load_state("networkidle")
            weights = sent[:]
            if len(first) < LOADS:
                context.close()
        bytes_sent = sum(size for kind, size in weights if kind != "image")
        scrolled = page.evaluate(SCROLL)
        shift = page.evaluate(SHIFT)
        page.evaluate(WATCH)
        page.evaluate("document.getElementById('gallery').scrollTop = 0")
        page.locator("#gallery").focus()
        page.keyboard.press("Home")
        page.wait_for_timeout(1000)
        painted, answered = [], []
        for _ in range(CORRECTIONS):
            page.evaluate("window.painted = window.answered = undefined")
            page.keyboard.press("9")
            page.wait_for_function("window.answered !== undefined && window.painted !== undefined")
            painted.append(page.evaluate("window.painted"))
            answered.append(page.evaluate("window.answered"))
            page.wait_for_timeout(400)
        browser.close()
    return {
        "first_cells_ms": rounded(first),
        "first_cells_median_ms": round(statistics.median(first)),
        "page_kilobytes_without_images": round(bytes_sent / 1000),
        "frame_median_ms": round(scrolled["median"], 1),
        "frame_p95_ms": round(scrolled["p95"], 1),
        "most_cells_in_the_page": scrolled["most"],
        "layout_shift_of_gallery": round(shift, 4),
        "feedback_median_ms": round(statistics.median(painted), 1),
        "feedback_slowest_ms": round(max(painted), 1),
        "correction_median_ms": round(statistics.median(answered), 1),
        "correction_slowest_ms": round(max(answered), 1),
    }


def weigh(kept: list[tuple[str, int]], request: Any) -> None:
    """Keep a request's kind and what its answer weighs on the wire, headers included."""
    sizes = request.sizes()
    kept.append((request.resource_type, sizes["responseBodySize"] + sizes["responseHeadersSize"]))


def rounded(values: list[float]) -> list[int]:
    return [round(each) for each in values]


def log_in(page: Any) -> None:
    page.goto("/login/")
    page.locator("input[name=username], input[name=login]").first.fill("reviewer")
    page.locator("input[name=password]").fill(PASSWORD)
    page.locator("main button[type=submit]").first.click()
    page.wait_for_url(re.compile("/(work|cases)/$"))


if __name__ == "__main__":
    sys.exit(main())
