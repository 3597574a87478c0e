"""A backup restored onto an empty system is the same system, row by row and byte by byte."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.core.files.storage import default_storage
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.models.query import QuerySet

from cases.audit.services import record, verify
from cases.models import CaseImage, Patient, User
from classifier.models import ModelVersion, Prediction
from classifier.services.work import run_pending
from pbcsite.backup import rows
from pbcsite.backup.container import CHUNK, BackupError
from pbcsite.backup.restoring import examine, restore
from pbcsite.backup.writing import PART, write
from tests.classifier_tests.fakes import FakePredictor, make_version, queue_cells
from tests.conftest import PROJECT
from tests.factories import PatientFactory, SignOffFactory, SmearCaseFactory, member

PASSPHRASE = "a passphrase for the tests"


@pytest.fixture(autouse=True)
def _quick_scrypt(monkeypatch: pytest.MonkeyPatch) -> None:
    """The derivation is slow on purpose; its strength is not what is tested here."""
    monkeypatch.setattr("pbcsite.backup.container.SCRYPT_N", 2**10)


@pytest.fixture
def bundles(tmp_path: Path, settings: Any) -> Path:
    """A folder of bundles with one of two small files."""
    folder = tmp_path / "bundles"
    folder.joinpath("small", "pictures").mkdir(parents=True)
    folder.joinpath("small", "model.json").write_text('{"name": "small"}')
    folder.joinpath("small", "pictures", "curves.png").write_bytes(os.urandom(3 * CHUNK + 17))
    settings.MODEL_BUNDLES_DIR = folder
    return folder


@pytest.fixture
def filled(transactional_db: None, bundles: Path) -> Iterator[None]:
    """A site with rows of many kinds, odd values among them."""
    make_version(bundle="small")
    case = SmearCaseFactory(
        patient=PatientFactory(name="Núñez 'O’Brien' \\ \n 李", birth_date="1950-02-28"),
        accession_number="2026-\t-1",
        collected_at="2026-03-29T01:30:00.123456+00:00",
        analyser_wbc="7.125",
    )
    queue_cells(case, 5)
    run_pending(predictor=FakePredictor())
    SignOffFactory(case=SmearCaseFactory(laboratory=case.laboratory, patient=case.patient))
    member(case.laboratory, "administrator").groups.create(name="a group")
    record(action="viewed", subject="GET case_detail", case_id=case.pk)
    return


def everything() -> dict[str, Any]:
    """All rows as the database gives them, and all files."""
    found: dict[str, Any] = {}
    for model in rows.tables():
        fields = [each.attname for each in model._meta.concrete_fields]
        found[model._meta.label] = [
            [bytes(value) if isinstance(value, memoryview) else value for value in row]
            for row in QuerySet(model).order_by("pk").values_list(*fields)
        ]
    for name in CaseImage.objects.values_list("file", flat=True):
        with default_storage.open(name) as stream:
            found[f"file {name}"] = stream.read()
    return found


def make_empty() -> None:
    """What `migrate` leaves on a new database, and an empty storage."""
    from cases.audit import guard

    guard.remove(connection)
    for name in list(CaseImage.objects.values_list("file", flat=True)):
        default_storage.delete(name)
    call_command("flush", "--no-input", verbosity=0)


@pytest.fixture
def archive(tmp_path: Path, filled: None) -> Path:
    target = tmp_path / "site.backup"
    write(target=target, passphrase=PASSPHRASE)
    return target


def code_of(**given: Any) -> str:
    with pytest.raises(BackupError) as caught:
        restore(**given)
    assert str(caught.value)
    return caught.value.code


def test_an_empty_system_becomes_the_same_again(
    archive: Path, bundles: Path, tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = everything()
    assert len(before["classifier.Prediction"]) == 5
    assert sum(name.startswith("file ") for name in before) == 5
    bundle_before = {each.name: each.read_bytes() for each in bundles.rglob("*") if each.is_file()}
    make_empty()
    settings.MODEL_BUNDLES_DIR = tmp_path / "elsewhere"

    secret = tmp_path / "passphrase"
    secret.write_text(PASSPHRASE + "\n")
    said = StringIO()
    call_command("restore", str(archive), passphrase_file=secret, stdout=said, stderr=said)
    after = everything()
    # The restore itself is the one entry more.
    entries = after["audit.AuditEntry"]
    assert entries[:-1] == before.pop("audit.AuditEntry")
    assert entries[-1][6:8] == ["commanded", "restore"]
    del after["audit.AuditEntry"], after["audit.AuditHead"], before["audit.AuditHead"]
    assert after.keys() == before.keys()
    for name, held in before.items():
        assert after[name] == held, name
    restored = tmp_path / "elsewhere"
    assert {e.name: e.read_bytes() for e in restored.rglob("*") if e.is_file()} == bundle_before
    assert [each for each in verify().faults if "trigger" not in each] == []
    # Keys go on behind the greatest one.
    assert PatientFactory().pk > max(row[0] for row in before["cases.Patient"])
    assert "Everybody has to log in anew" in said.getvalue()


def test_what_one_database_wrote_the_other_takes(
    archive: Path, tmp_path: Path, bundles: Path, settings: Any
) -> None:
    """The archive of this database restored onto a new SQLite one, by the command itself."""
    data = tmp_path / "new"
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "pbcsite.settings",
        "DATA_DIR": str(data),
        "DATABASE_URL": f"sqlite:///{data / 'new.sqlite3'}",
        "MEDIA_ROOT": str(data / "media"),
        "MODEL_BUNDLES_DIR": str(bundles),
        "BACKUP_PASSPHRASE": PASSPHRASE,
        "LOG_LEVEL": "WARNING",
    }

    def run(*arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=PROJECT, env=environment, capture_output=True, text=True, check=False, timeout=300,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    # The archive's scrypt parameter is this test's, so the command is called with it.
    program = (
        "import django; django.setup()\n"
        "from pbcsite.backup import container\n"
        "container.SCRYPT_N = 2**10\n"
        "from django.core.management import call_command\n"
        f"call_command('restore', {str(archive)!r})\n"
        "call_command('verify_audit')\n"
        "from tests.pbcsite_tests.test_backup import everything\n"
        "import hashlib\n"
        "for name, held in sorted(everything().items()):\n"
        "    print('#', name, hashlib.sha256(repr(held).encode()).hexdigest())\n"
    )
    run("migrate", "--no-input", "-v0")
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=PROJECT, env=environment, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    import hashlib

    own = {
        name: hashlib.sha256(repr(held).encode()).hexdigest() for name, held in everything().items()
    }
    other = dict(
        line[2:].rsplit(" ", 1) for line in done.stdout.splitlines() if line.startswith("# ")
    )
    differing = {name for name in own if own[name] != other.get(name)}
    assert differing == {"audit.AuditEntry", "audit.AuditHead"}
    assert own.keys() == other.keys()


def test_a_wrong_passphrase_and_a_weak_one_are_told(archive: Path, tmp_path: Path) -> None:
    make_empty()
    assert code_of(source=archive, passphrase="another passphrase") == "wrong_passphrase"
    with pytest.raises(BackupError, match="at least 12 characters"):
        write(target=tmp_path / "weak", passphrase="short")
    assert not User.objects.exists()


def test_every_cut_and_every_changed_part_is_noticed_and_nothing_is_restored(
    archive: Path, tmp_path: Path
) -> None:
    make_empty()
    whole = archive.read_bytes()
    broken = tmp_path / "broken"
    places = [0, 1, 20, 64, 65, 90, 500, len(whole) // 3, len(whole) // 2, len(whole) - 1]
    for place in places:
        broken.write_bytes(whole[:place])
        code = code_of(source=broken, passphrase=PASSPHRASE)
        assert code in ("truncated", "not_an_archive"), place
    for place in (3, 70, 100, 2000, len(whole) // 2, len(whole) - 5):
        changed = bytearray(whole)
        changed[place] ^= 1
        broken.write_bytes(changed)
        code = code_of(source=broken, passphrase=PASSPHRASE)
        assert code in ("damaged", "truncated", "not_an_archive"), place
    assert not User.objects.exists()
    assert not Prediction.objects.exists()


def test_parts_that_are_left_out_or_exchanged_are_noticed(archive: Path, tmp_path: Path) -> None:
    with archive.open("rb") as stream:
        reader, _found = examine(stream, PASSPHRASE)
        frames = list(reader.frames())
    whole = archive.read_bytes()
    last = frames[-1]
    without = tmp_path / "without-the-end"
    without.write_bytes(whole[: last.start])
    assert code_of(source=without, passphrase=PASSPHRASE) == "truncated"
    first, second = frames[3], frames[4]
    exchanged = tmp_path / "exchanged"
    exchanged.write_bytes(
        whole[: first.start]
        + whole[second.start : second.end]
        + whole[first.start : first.end]
        + whole[second.end :]
    )
    assert code_of(source=exchanged, passphrase=PASSPHRASE) == "damaged"


def test_an_interrupted_backup_goes_on_where_it_stopped(
    filled: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "site.backup"
    from django.core.files.storage import FileSystemStorage

    opened = FileSystemStorage._open
    calls = []

    def failing(self: Any, name: str, mode: str = "rb") -> Any:
        calls.append(name)
        if len(calls) == 3:
            raise OSError(28, "No space left on device")
        return opened(self, name, mode)

    monkeypatch.setattr(FileSystemStorage, "_open", failing)
    with pytest.raises(OSError, match="No space"):
        write(target=target, passphrase=PASSPHRASE)
    part = target.with_name(target.name + PART)
    assert not target.exists()
    assert part.stat().st_mode & 0o777 == 0o600
    # What was half written when it stopped is cut off.
    with part.open("ab") as stream:
        stream.write(b"SEG1 half a segment")
    # Rows made since do not come in: the tables are of the first run's moment.
    later = PatientFactory(identifier="later")
    with pytest.raises(BackupError) as caught:
        write(target=target, passphrase="another passphrase")
    assert caught.value.code == "wrong_passphrase"
    report = write(target=target, passphrase=PASSPHRASE)
    assert report.resumed > len(rows.tables())
    assert calls.count(calls[0]) == 1  # what was there is not read again
    assert not part.exists()
    later.delete()
    with target.open("rb") as stream:
        _reader, found = examine(stream, PASSPHRASE)
    assert len(found.files) == 5
    assert found.rows["cases.Patient"] == Patient.objects.count()


def test_an_interruption_among_the_tables_begins_anew(
    filled: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "site.backup"

    def failing(model: Any) -> Iterator[str]:
        raise OSError("interrupted")

    with monkeypatch.context() as broken:
        broken.setattr(rows, "file_names", failing)
        with pytest.raises(OSError, match="interrupted"):
            write(target=target, passphrase=PASSPHRASE)
    PatientFactory(identifier="later")
    report = write(target=target, passphrase=PASSPHRASE)
    assert report.resumed == 0
    assert report.rows["cases.Patient"] == Patient.objects.count()


def test_a_site_that_is_not_empty_is_left_alone(archive: Path) -> None:
    before = everything()
    assert code_of(source=archive, passphrase=PASSPHRASE) == "not_empty"
    assert everything() == before


def test_another_version_of_the_site_is_refused(
    archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_empty()
    monkeypatch.setattr(rows, "applied_migrations", lambda: ["cases.0001_initial"])
    assert code_of(source=archive, passphrase=PASSPHRASE) == "other_migrations"


def test_a_failure_in_the_middle_takes_everything_back(
    archive: Path, tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_empty()
    untouched = everything()
    settings.MODEL_BUNDLES_DIR = tmp_path / "elsewhere"
    loading = rows.load

    def failing(model: Any, lines: Any) -> int:
        if model is Prediction:
            from django.db import OperationalError

            raise OperationalError("disk full")
        return loading(model, lines)

    monkeypatch.setattr(rows, "load", failing)
    assert code_of(source=archive, passphrase=PASSPHRASE) == "not_stored"
    assert everything() == untouched
    media = Path(default_storage.path("."))
    assert [each for each in media.rglob("*") if each.is_file()] == []
    assert not (tmp_path / "elsewhere" / "small").exists()
    # The same archive is taken once the fault is mended.
    monkeypatch.setattr(rows, "load", loading)
    restore(source=archive, passphrase=PASSPHRASE)
    assert Prediction.objects.count() == 5


def test_a_stranger_in_the_way_is_not_overwritten(archive: Path, bundles: Path) -> None:
    name = CaseImage.objects.values_list("file", flat=True)[0]
    make_empty()
    from django.core.files.base import ContentFile

    default_storage.save(name, ContentFile(b"another file"))
    assert code_of(source=archive, passphrase=PASSPHRASE) == "file_in_the_way"
    default_storage.delete(name)
    bundles.joinpath("small", "model.json").write_text("another")
    assert code_of(source=archive, passphrase=PASSPHRASE) == "bundle_in_the_way"
    assert not ModelVersion.objects.exists()


def test_a_file_that_is_gone_is_named_and_keeps_nobody_from_a_backup(
    filled: None, tmp_path: Path
) -> None:
    name = CaseImage.objects.values_list("file", flat=True)[0]
    default_storage.delete(name)
    secret = tmp_path / "passphrase"
    secret.write_text(PASSPHRASE)
    said = StringIO()
    call_command(
        "backup", str(tmp_path / "a"), passphrase_file=secret, stdout=StringIO(), stderr=said
    )
    assert name in said.getvalue()
    with pytest.raises(CommandError, match="is there already"):
        call_command("backup", str(tmp_path / "a"), passphrase_file=secret, stdout=StringIO())


def test_nothing_of_the_site_can_be_read_in_the_archive(archive: Path) -> None:
    text = archive.read_bytes()
    for word in (b"Brien", b"2026-", b"case_detail", b"cases.Patient", b"small"):
        assert word not in text


def test_every_table_is_in_the_archive_or_left_out_by_name() -> None:
    """A new table is taken along by itself."""
    labels = {each._meta.label for each in rows.tables()}
    all_labels = {
        each._meta.label
        for each in apps.get_models(include_auto_created=True)
        if each._meta.managed and not each._meta.proxy
    }
    assert all_labels - labels == rows.LEFT_OUT
