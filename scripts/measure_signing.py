"""Measure how long a reviewer waits for the signature of a large case, on a scratch site.

A Chromium on this machine opens the page of signing, types the password and presses "Sign"; the
time is from the press until the signed version has loaded. The case is amended and signed anew
each round. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from typing import Any

from scripts.measure_case_page import fill
from scripts.measure_workspace import log_in
from scripts.measuring import (
    PASSWORD,
    chromium,
    free_port,
    running,
    scratch_site,
    wait_until_ready,
)
from scripts.run import commands

ROUNDS = 5


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, default=10_000)
    cells = parser.parse_args().cells
    os.environ["DJANGO_SETTINGS_MODULE"] = "pbcsite.settings"
    with scratch_site():
        import django

        django.setup()
        case, reviewer = fill(cells)
        case.cells.update(review_state="confirmed")
        port = free_port()
        with running(commands(port)["web"]):
            wait_until_ready(port)
            figures = sign(f"http://127.0.0.1:{port}", case.pk, reviewer)
        snapshot = case.sign_offs.latest("version").snapshot
    figures["document_kilobytes"] = round(len(json.dumps(snapshot)) / 1000)
    print(json.dumps({"cells": cells, **figures}))
    return 0


def sign(site: str, case: int, reviewer: Any) -> dict[str, Any]:
    """Sign over and over, in one window."""
    from playwright.sync_api import sync_playwright

    from cases.services.signing import amend_case

    # Playwright runs an event loop in this thread, and Django would refuse queries beside one.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    opened, signed = [], []
    with sync_playwright() as playwright:
        browser = chromium(playwright)
        page = browser.new_context(
            viewport={"width": 1440, "height": 900}, base_url=site, locale="en"
        ).new_page()
        log_in(page)
        for number in range(ROUNDS):
            if number:
                amend_case(case_id=case, user=reviewer, reason="Measured again.")
            begun = time.perf_counter()
            page.goto(f"/cases/{case}/sign/")
            opened.append(1000 * (time.perf_counter() - begun))
            page.fill("[name=password]", PASSWORD)
            begun = time.perf_counter()
            page.locator("main form [type=submit]").click()
            page.wait_for_url("**/versions/*/")
            page.wait_for_load_state("load")
            signed.append(1000 * (time.perf_counter() - begun))
        browser.close()
    return {
        "page_of_signing_median_ms": round(statistics.median(opened)),
        "signature_ms": [round(each) for each in signed],
        "signature_median_ms": round(statistics.median(signed)),
        "signature_slowest_ms": round(max(signed)),
    }


if __name__ == "__main__":
    sys.exit(main())
