"""The decoding helper with decoders that break: the picture's width says how."""

from __future__ import annotations

import os
import signal
from typing import Any

from PIL import ImageFile

from cases import decoding_helper

CRASHES, HANGS, DEVOURS = 101, 102, 103

load = ImageFile.ImageFile.load


def break_on_some(self: Any) -> Any:
    if self.width == CRASHES:
        os.kill(os.getpid(), signal.SIGSEGV)
    while self.width == HANGS:
        pass
    if self.width == DEVOURS:
        bytearray(8 * 1024**3)
    return load(self)


if __name__ == "__main__":
    ImageFile.ImageFile.load = break_on_some  # type: ignore[method-assign]
    decoding_helper.main()
