"""The codes of LOINC a report uses. docs/fhir.md names the sources of each.

This material contains content from LOINC (http://loinc.org). LOINC is copyright (c) Regenstrief
Institute, Inc. and the LOINC Committee, and is available at no cost under the licence at
http://loinc.org/license.
"""

from __future__ import annotations

from typing import NamedTuple

SYSTEM = "http://loinc.org"


class Code(NamedTuple):
    """A code with its long common name."""

    code: str
    display: str


PANEL = Code("24318-8", "Manual Differential panel - Blood")

# Members of the panel but for "ig", which it has only as its three stages, each on its own.
PER_HUNDRED_LEUKOCYTES = {
    "neutrophil": Code("26511-6", "Neutrophils/100 leukocytes in Blood"),
    "eosinophil": Code("26450-7", "Eosinophils/100 leukocytes in Blood"),
    "basophil": Code("30180-4", "Basophils/100 leukocytes in Blood"),
    "lymphocyte": Code("26478-8", "Lymphocytes/100 leukocytes in Blood"),
    "monocyte": Code("26485-3", "Monocytes/100 leukocytes in Blood"),
    "ig": Code("38518-7", "Immature granulocytes/100 leukocytes in Blood"),
    "erythroblast": Code("19048-8", "Nucleated erythrocytes/100 leukocytes [Ratio] in Blood"),
}
PER_VOLUME = {
    "neutrophil": Code("26499-4", "Neutrophils [#/volume] in Blood"),
    "eosinophil": Code("26449-9", "Eosinophils [#/volume] in Blood"),
    "basophil": Code("26444-0", "Basophils [#/volume] in Blood"),
    "lymphocyte": Code("26474-7", "Lymphocytes [#/volume] in Blood"),
    "monocyte": Code("26484-6", "Monocytes [#/volume] in Blood"),
    "ig": Code("51584-1", "Immature granulocytes [#/volume] in Blood"),
}
LEUKOCYTES = Code("26464-8", "Leukocytes [#/volume] in Blood")
LEUKOCYTES_CORRECTED = Code(
    "12227-5", "Leukocytes [#/volume] corrected for nucleated erythrocytes in Blood"
)
