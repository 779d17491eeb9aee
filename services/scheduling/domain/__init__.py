"""The rules of scheduling, a module for each concept."""

from services.scheduling.domain import (
    attendance,
    clinicians,
    dose,
    groups,
    obligations,
    planner,
    plans,
    records,
    weeks,
)

__all__ = [
    "attendance",
    "clinicians",
    "dose",
    "groups",
    "obligations",
    "planner",
    "plans",
    "records",
    "weeks",
]
