"""Where the network runs, and with which numbers."""

from __future__ import annotations

import logging
import os
import platform
from dataclasses import dataclass
from pathlib import Path

logger = logging.getLogger(__name__)

# What a caller may ask for, and the Keras policy of the convolutions it means.
POLICIES = {"float32": "float32", "bfloat16": "mixed_bfloat16", "float16": "mixed_float16"}
PRECISIONS = ("auto", *POLICIES)


@dataclass(frozen=True)
class Device:
    """The device TensorFlow computes on.

    Attributes:
        kind: ``gpu`` or ``cpu``.
        name: of the hardware.
        precision: ``float32``, ``bfloat16`` or ``float16``.
    """

    kind: str
    name: str
    precision: str

    @property
    def policy(self) -> str:
        """Keras dtype policy of the convolutions."""
        return POLICIES[self.precision]

    def __str__(self) -> str:
        return f"{self.kind.upper()} {self.name[:80]}, {self.precision}"


def find_device(precision: str = "auto") -> Device:
    """Choose the first GPU TensorFlow sees, with memory growth on, or else the CPU.

    Args:
        precision: ``float32``, ``bfloat16``, ``float16`` (mixed: sums and logits stay float32), or
            ``auto``: float16 on a GPU, float32 on a CPU.

    Raises:
        ValueError: for another precision.
    """
    if precision not in PRECISIONS:
        raise ValueError(f"unknown precision {precision!r}: choose one of {', '.join(PRECISIONS)}")
    # TensorFlow's start-up notices would bury ours.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    if not gpus:
        return Device("cpu", _cpu_name(), "float32" if precision == "auto" else precision)
    for gpu in gpus:
        try:
            tf.config.experimental.set_memory_growth(gpu, True)
        except RuntimeError as error:
            # Somebody computed on it before; its memory is already laid out.
            logger.warning("memory growth stays off on %s: %s", gpu.name, error)
    details = tf.config.experimental.get_device_details(gpus[0])
    name = details.get("device_name", gpus[0].name)
    return Device("gpu", name, "float16" if precision == "auto" else precision)


def _cpu_name() -> str:
    """Return the processor's name as the operating system gives it."""
    information = Path("/proc/cpuinfo")
    if information.is_file():
        for line in information.read_text(encoding="utf-8", errors="replace").splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name" and value.strip():
                return value.strip()
    return platform.processor() or platform.machine()
