"""The sub-commands of ``python -m ml``, one module each.

A module named here provides ``HELP`` (one line), ``configure(parser)`` adding its arguments, and
``run(arguments)`` returning the exit status. The module's name, underscores as hyphens, is the
command's. Modules import TensorFlow inside ``run`` only, so that ``--help`` answers at once.
"""

COMMANDS = (
    "benchmark",
    "calibrate",
    "card",
    "detect",
    "detect_card",
    "detect_evaluate",
    "detect_export",
    "detect_train",
    "evaluate",
    "export",
    "faithfulness",
    "predict",
    "references",
    "split",
    "train",
    "unfamiliar",
)
