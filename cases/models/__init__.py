"""What a laboratory keeps: people, patients, smear cases, images, cells, corrections."""

from cases.models.case import Patient, PatientName, SmearCase
from cases.models.cell import Cell, Correction, Exclusion
from cases.models.cell_class import CellClass
from cases.models.detection import Box, Detection, DetectionCorrection
from cases.models.finding import Finding
from cases.models.housekeeping import Housekeeping
from cases.models.idempotency import IdempotentAnswer
from cases.models.image import CaseImage
from cases.models.laboratory_settings import LaboratorySettings, ReferenceRange
from cases.models.page import Page
from cases.models.people import Laboratory, Membership, Role, User
from cases.models.reading import (
    Adjudication,
    DoubleReading,
    Reading,
    ReadingCell,
    ReadingLabel,
)
from cases.models.review import CellFlag, CorrectionBatch
from cases.models.sign_off import Amendment, SignOff
from cases.models.token import ApiToken, TokenScope
from cases.models.work import CaseAssignment

__all__ = [
    "Adjudication",
    "Amendment",
    "ApiToken",
    "Box",
    "CaseAssignment",
    "CaseImage",
    "Cell",
    "CellClass",
    "CellFlag",
    "Correction",
    "CorrectionBatch",
    "Detection",
    "DetectionCorrection",
    "DoubleReading",
    "Exclusion",
    "Finding",
    "Housekeeping",
    "IdempotentAnswer",
    "Laboratory",
    "LaboratorySettings",
    "Membership",
    "Page",
    "Patient",
    "PatientName",
    "Reading",
    "ReadingCell",
    "ReadingLabel",
    "ReferenceRange",
    "Role",
    "SignOff",
    "SmearCase",
    "TokenScope",
    "User",
]
