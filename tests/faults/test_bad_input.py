"""The whole corpus through the real upload page and the API of a real web process."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import Any

import requests

from cases.models import CaseImage, Cell, SmearCase
from cases.validators import display_name
from tests.corpus import corpus
from tests.corpus.sample import Sample
from tests.factories import SmearCaseFactory
from tests.faults.site import Site

# What the web process may take beyond its own size: an upload, a ZIP's entry, the answers.
WEB_MEGABYTES = 150
# A helper with 64 megapixels as they come and as they are kept, 4 bytes for each, and its decoder.
HELPER_MEGABYTES = 2 * 4 * 64 + 200
BOUNDARY = "----boundary-of-the-corpus"


def multipart(sample: Sample) -> tuple[bytes, dict[str, str]]:
    """A form with the file under exactly its name: as a browser sends it, bytes for bytes."""
    name = sample.name.replace("\\", "\\\\").replace('"', '\\"')
    head = (
        f"--{BOUNDARY}\r\n"
        f'Content-Disposition: form-data; name="files"; filename="{name}"\r\n'
        "Content-Type: image/jpeg\r\n\r\n"
    )
    body = head.encode() + sample.data + f"\r\n--{BOUNDARY}--\r\n".encode()
    return body, {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}


def send(session: requests.Session, address: str, sample: Sample, language: str) -> Any:
    body, headers = multipart(sample)
    headers |= {"Accept": "application/json", "Accept-Language": language}
    return session.post(address, data=body, headers=headers, timeout=120)


def files_below(folder: Path) -> int:
    return sum(len(files) for _folder, _folders, files in os.walk(folder))


def peak_megabytes(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def children_of(pid: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def workers(site: Site) -> list[int]:
    """The processes that serve, without the master."""
    return children_of(site.web.pid)


def helpers_of(pid: int) -> list[int]:
    """Decoding helpers are started by whichever thread comes first."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        found += [int(each) for each in (task / "children").read_text().split()]
    return found


def check(sample: Sample, results: list[dict[str, Any]]) -> None:
    outcomes = tuple(each["outcome"] for each in results)
    if sample.outcomes is None:
        assert outcomes, sample.what
        assert set(outcomes) <= {"accepted", "rejected", "duplicate"}
    else:
        assert outcomes == sample.outcomes, (sample.what, sample.name, results)
    for each in results:
        assert each["message"]
        assert each["code"] != "not_stored", (sample.name, each)
        assert each["name"] == display_name(each["name"])


def test_each_file_of_the_corpus_is_answered_and_nothing_is_half_written(site: Site) -> None:
    samples = corpus()
    assert len(samples) >= 300
    site.start_web()
    program, person = site.api(), site.browser()
    by_page: SmearCase = SmearCaseFactory(laboratory=site.case.laboratory)
    api = site.url(f"cases/{site.case.pk}/images/")
    page = f"{site.address}/cases/{by_page.pk}/upload/"
    (serving,) = workers(site)
    begun_with = peak_megabytes(serving)
    helpers: dict[int, float] = {}
    stored: Counter[str] = Counter()
    sentences: dict[str, set[str]] = {"en": set(), "es": set()}
    for sample in samples:
        for language, session, address in (("en", program, api), ("es", person, page)):
            answered = send(session, address, sample, language)
            assert answered.status_code in (200, 201, 400, 422), (sample.name, answered.text)
            body = answered.json()
            results = body.get("files" if language == "en" else "results", [])
            check(sample, results)
            assert results or body.get("errors") or body.get("message"), (sample.name, body)
            stored[language] += sum(each["outcome"] == "accepted" for each in results)
            sentences[language] |= {each["message"] for each in results}
            assert CaseImage.objects.count() == stored.total()
            assert files_below(site.media) == stored.total()
        helpers.update({pid: peak_megabytes(pid) for pid in helpers_of(serving)})
    assert stored["en"] == stored["es"] > 100
    # Each language says as many different things, and none of them in the other's words.
    assert len(sentences["en"]) == len(sentences["es"]) > 10
    assert not sentences["en"] & sentences["es"]
    assert workers(site) == [serving]  # never restarted
    grown = peak_megabytes(serving) - begun_with
    print(f"{len(samples)} files; web +{grown:.0f} MB; helpers {sorted(helpers.values())[-3:]} MB")
    assert grown < WEB_MEGABYTES
    assert max(helpers.values()) < HELPER_MEGABYTES
    for case in (site.case, by_page):
        case.refresh_from_db()
        numbers = list(case.images.order_by("number").values_list("number", flat=True))
        assert numbers == list(range(1, case.last_image_number + 1))
    site.assert_files_exact()


def test_what_was_kept_of_them_is_a_plain_picture(site: Site) -> None:
    """Polyglots lose what is not picture, and are served as what they are."""
    site.start_web()
    program, person = site.api(), site.browser()
    polyglots = [each for each in corpus() if each.what in ("polyglot", "orientation")]
    for sample in polyglots:
        send(program, site.url(f"cases/{site.case.pk}/images/"), sample, "en")
    assert CaseImage.objects.exists()
    for cell in Cell.objects.select_related("image"):
        kept = cell.image.file.open().read()
        assert b"<script" not in kept
        assert b"PK\x03\x04" not in kept
        assert b"Exif" not in kept
    cell = Cell.objects.get(image__original_name="page.html.jpg")
    served = person.get(f"{site.address}/cells/{cell.pk}/photo/", timeout=60)
    assert served.headers["Content-Type"].startswith("image/")
    assert served.headers["X-Content-Type-Options"] == "nosniff"
