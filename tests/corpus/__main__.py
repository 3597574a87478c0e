"""Write the corpus into a folder, under numbers: the names themselves are part of the hostility."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from tests.corpus import corpus

folder = Path(sys.argv[1])
folder.mkdir(parents=True)
index = []
for number, sample in enumerate(corpus()):
    folder.joinpath(f"{number:04}.bin").write_bytes(sample.data)
    index.append({"number": number, "name": ascii(sample.name), "outcomes": sample.outcomes})
folder.joinpath("index.json").write_text(json.dumps(index, indent=1))
print(f"{len(index)} files in {folder}")
