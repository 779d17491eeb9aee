"""Payers' answers as they come in, one or many at once, and what follows from each."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from marshmallow import ValidationError
from sqlalchemy.orm import Session

from services.intake import costing, covering, finding, reserving, schemas, tables
from services.intake.domain.coverage import Coverage
from services.intake.domain.people import Patient
from shared.errors import InvalidInput, Refusal


def take(
    db: Session, patient: Patient, data: dict[str, Any], *, tenant_id: str, now: datetime
) -> tuple[Coverage, bool]:
    """Keep a payer's answer with what follows from it; return the cover, and whether the answer is news.

    :raises InvalidInput: when the answer lies ahead, or tells days that cannot be.
    """
    kept, is_new = covering.keep_answer(db, patient, data, tenant_id=tenant_id, now=now)
    covers = tables.coverages_of(db, patient_id=patient.patient_id)
    costing.note_covers(db, covers, patient_id=patient.patient_id, now=now)
    episode = tables.lock_open_episode(db, patient_id=patient.patient_id)
    if episode is not None:
        reserving.reserve_scheduled(db, episode, now=now)
    return kept, is_new


def take_rows(db: Session, rows: Sequence[Any], *, tenant_id: str, now: datetime) -> dict[str, Any]:
    """Keep many answers; a row that breaks a rule is reported by its line, and the others go on."""
    answers: list[tuple[int, dict[str, Any]]] = []
    refused: dict[int, list[dict[str, Any]]] = {}
    lines: dict[int, int] = {}
    for place, row in enumerate(rows, start=1):
        lines[place] = row["line"] if isinstance(row, dict) and type(row.get("line")) is int else place
        try:
            answers.append((place, _read(row)))
        except InvalidInput as refusal:
            refused[place] = list(refusal.problems)
    # By person, so that two imports that wait for the same people never wait in a circle.
    answers.sort(key=lambda one: (one[1]["patient_id"], one[1]["answered_at"]))
    taken = 0
    for place, data in answers:
        try:
            patient = finding.patient(db, data["patient_id"])
            _, is_new = take(db, patient, data, tenant_id=tenant_id, now=now)
        except Refusal as refusal:
            refused[place] = list(refusal.problems)
        else:
            taken += is_new
    return {
        "taken": taken,
        "known": len(rows) - len(refused) - taken,
        "refused_rows": len(refused),
        "refused": [
            {"line": lines[place], **problem}
            for place, problems in sorted(refused.items())
            for problem in problems
        ],
    }


def _read(row: Any) -> dict[str, Any]:
    """Return the answer that a row tells.

    :raises InvalidInput: with the field of the row that is at fault.
    """
    if not isinstance(row, dict):
        raise InvalidInput("The row is no answer.", field="row", rule="an object with a patient_id")
    told = {name: value for name, value in row.items() if name != "line"}
    try:
        data: dict[str, Any] = schemas.RecordEligibilityAnswer().load(told)
    except ValidationError as error:
        raise InvalidInput.of(error.normalized_messages()) from None
    return data
