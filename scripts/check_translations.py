"""Fail when the Spanish catalogue is not whole.

Gathers the source strings anew with makemessages into a scratch copy of ``locale`` and looks for
strings the catalogue lacks or no longer needs, untranslated or fuzzy ones, placeholders that
differ, and a compiled catalogue that says something else than its source.

Run it with ``DEBUG=1 python scripts/check_translations.py``; ``--update`` writes the gathered
catalogue back and compiles it.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import polib

PROJECT = Path(__file__).resolve().parent.parent
LANGUAGE = "es"
CATALOGUE = Path("locale") / LANGUAGE / "LC_MESSAGES" / "django.po"
# What holds no words of the site: dependencies, data, tests and text of other projects.
IGNORED = (".venv", "var", "tests", "static", "node_modules", "build", "docs", "ml", "scripts")
PLACEHOLDER = re.compile(r"%\([a-z_]+\)[sd]|%[sd]|\{[a-z_]*\}")


def gather(project: Path) -> polib.POFile:
    """Return the catalogue as makemessages would leave it, without touching the one in use."""
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch)
        for each in project.iterdir():
            if each.name not in {"locale", ".git", *IGNORED}:
                copy.joinpath(each.name).symlink_to(each)
        target = copy / CATALOGUE
        target.parent.mkdir(parents=True)
        if project.joinpath(CATALOGUE).exists():
            shutil.copy(project / CATALOGUE, target)
        command = [
            *(sys.executable, "-m", "django", "makemessages"),
            *(
                "--locale",
                LANGUAGE,
                "--symlinks",
                "--no-obsolete",
                "--no-location",
                "--verbosity=0",
            ),
        ]
        environment = {**os.environ, "PYTHONPATH": str(copy)}
        environment.pop("DJANGO_SETTINGS_MODULE", None)
        subprocess.run(command, cwd=copy, env=environment, check=True)
        return polib.pofile(str(target))


def key(entry: polib.POEntry) -> tuple[str, str]:
    return entry.msgctxt or "", entry.msgid


def texts(entry: polib.POEntry) -> list[str]:
    """The translations of an entry: one, or one for each plural form."""
    return list(entry.msgstr_plural.values()) or [entry.msgstr]


def plural_forms(catalogue: polib.POFile) -> int:
    """How many plural forms the catalogue's language has; gettext falls back without a word."""
    rule = re.search(r"nplurals=(\d)", catalogue.metadata["Plural-Forms"])
    if rule is None:
        raise SystemExit("The catalogue's header lacks Plural-Forms.")
    return int(rule.group(1))


def problems_of(kept: polib.POFile, gathered: polib.POFile) -> list[str]:
    """What is wrong with the catalogue that is kept, given the strings of the source."""
    found = []
    entries = {key(entry): entry for entry in kept if not entry.obsolete}
    wanted = {key(entry): entry for entry in gathered if not entry.obsolete}
    found += [f"missing from the catalogue: {name[1]!r}" for name in wanted.keys() - entries.keys()]
    found += [f"not in the source any more: {name[1]!r}" for name in entries.keys() - wanted.keys()]
    for entry in entries.values():
        if entry.fuzzy:
            found.append(f"fuzzy: {entry.msgid!r}")
        forms = plural_forms(kept) if entry.msgid_plural else 1
        if len([text for text in texts(entry) if text]) != forms:
            found.append(f"not translated in {forms} form(s): {entry.msgid!r}")
        # A singular may say "one" in words; all else must use the same placeholders.
        expected = set(PLACEHOLDER.findall(entry.msgid_plural or entry.msgid))
        for text in texts(entry)[-1:]:
            if text and set(PLACEHOLDER.findall(text)) != expected:
                found.append(f"placeholders differ: {entry.msgid!r} and {text!r}")
    return sorted(found)


def compiled_differs(catalogue: Path, kept: polib.POFile) -> bool:
    """Whether the .mo beside the .po is missing or says something else."""
    compiled = catalogue.with_suffix(".mo")
    if not compiled.exists():
        return True
    said = {key(entry): texts(entry) for entry in polib.mofile(str(compiled))}
    meant = {key(entry): texts(entry) for entry in kept.translated_entries()}
    return said != meant


def main() -> int:
    """Check, or update with ``--update``; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--update", action="store_true", help="write the catalogue and compile it")
    arguments = parser.parse_args()
    catalogue = PROJECT / CATALOGUE
    gathered = gather(PROJECT)
    if arguments.update:
        catalogue.parent.mkdir(parents=True, exist_ok=True)
        gathered.save(str(catalogue))
        gathered.save_as_mofile(str(catalogue.with_suffix(".mo")))
    kept = polib.pofile(str(catalogue))
    found = problems_of(kept, gathered)
    if compiled_differs(catalogue, kept):
        found.append(f"{CATALOGUE.with_suffix('.mo')} differs from its source: run with --update")
    for each in found:
        print(each)
    if not found:
        print(f"{CATALOGUE}: {len(kept)} strings, all translated.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
