"""What a laboratory keeps: people, patients, smear cases, images, cells, corrections."""

from cases.models.case import Patient, SmearCase
from cases.models.cell import Cell, Correction
from cases.models.cell_class import CellClass
from cases.models.idempotency import IdempotentAnswer
from cases.models.image import CaseImage
from cases.models.people import Laboratory, Membership, Role, User
from cases.models.work import CaseAssignment

__all__ = [
    "CaseAssignment",
    "CaseImage",
    "Cell",
    "CellClass",
    "Correction",
    "IdempotentAnswer",
    "Laboratory",
    "Membership",
    "Patient",
    "Role",
    "SmearCase",
    "User",
]
