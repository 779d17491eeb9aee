"""Answers to instruments, and who is there to act on them."""

from collections.abc import Collection
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy import Column, Index, Table
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session

from services.intake.domain import duties, instruments
from services.intake.tables.columns import CODE, actor_columns, belongs_to, mapper, metadata, one_of
from shared.contracts import intake as codes
from shared.database import id_column, moment, reference, tenant_column, written_once
from shared.instruments import PLACES

instrument_answer_rows = Table(
    "instrument_answers",
    metadata,
    id_column("answers_id"),
    tenant_column(),
    belongs_to("patient_id", "patients.patient_id"),
    belongs_to("episode_id", "episodes.episode_id"),
    reference("journey_id"),
    Column("instrument", CODE, nullable=False),
    Column("version", sa.SmallInteger, nullable=False),
    Column("place", CODE),
    Column("rated_by", CODE, nullable=False),
    Column("mode", CODE, nullable=False),
    Column("sex", CODE, nullable=False),
    Column("age", sa.SmallInteger, nullable=False),
    Column("answers", JSONB, nullable=False),
    Column("given_at", moment(), nullable=False),
    Column("recorded_at", moment(), nullable=False),
    *actor_columns("recorded"),
    one_of("place", PLACES),
    one_of("rated_by", codes.RATERS),
    one_of("mode", codes.ANSWER_MODES),
    Index("ix_instrument_answers_tenant_patient", "tenant_id", "patient_id", "given_at"),
)

duty_rows = Table(
    "duties",
    metadata,
    id_column("shift_id"),
    tenant_column(),
    Column("starts_at", moment()),
    Column("ends_at", moment()),
    Column("withdrawn_at", moment()),
    Index("ix_duties_tenant_end", "tenant_id", "ends_at"),
)

mapper.map_imperatively(instruments.InstrumentAnswers, instrument_answer_rows)
mapper.map_imperatively(duties.Duty, duty_rows)


def find_instrument_answers(db: Session, *, answers_id: str) -> instruments.InstrumentAnswers | None:
    """Return what somebody answered on one occasion, if it is there."""
    return db.get(instruments.InstrumentAnswers, answers_id)


_ANSWERS = written_once(
    sa.select(instruments.InstrumentAnswers)
    .where(instrument_answer_rows.c.patient_id == sa.bindparam("of_patient"))
    .order_by(instrument_answer_rows.c.given_at, instrument_answer_rows.c.answers_id)
)


def instrument_answers_of(db: Session, *, patient_id: str) -> list[instruments.InstrumentAnswers]:
    """Return everything that somebody answered, oldest first."""
    return list(db.scalars(_ANSWERS, {"of_patient": patient_id}))


def instrument_answers_of_all(
    db: Session, *, patient_ids: Collection[str]
) -> dict[str, list[instruments.InstrumentAnswers]]:
    """Return everything that some people answered, oldest first, by person."""
    found: dict[str, list[instruments.InstrumentAnswers]] = {patient_id: [] for patient_id in patient_ids}
    query = sa.select(instruments.InstrumentAnswers).where(
        instrument_answer_rows.c.patient_id.in_(list(found))
    )
    in_order = query.order_by(instrument_answer_rows.c.given_at, instrument_answer_rows.c.answers_id)
    for one in db.scalars(in_order):
        found[one.patient_id].append(one)
    return found


def instrument_answers_after(
    db: Session, *, patient_id: str, instrument: str | None, after: str | None, limit: int
) -> list[instruments.InstrumentAnswers]:
    """Return what somebody answered by id, from behind *after*; of one instrument, where it is named."""
    query = sa.select(instruments.InstrumentAnswers).where(instrument_answer_rows.c.patient_id == patient_id)
    if instrument:
        query = query.where(instrument_answer_rows.c.instrument == instrument)
    if after:
        query = query.where(instrument_answer_rows.c.answers_id > after)
    return list(db.scalars(query.order_by(instrument_answer_rows.c.answers_id).limit(limit)))


def find_duty(db: Session, *, shift_id: str) -> duties.Duty | None:
    """Return a duty, if it was told."""
    return db.get(duties.Duty, shift_id)


_ON_DUTY = written_once(
    sa.select(duties.Duty)
    .where(
        duty_rows.c.withdrawn_at.is_(None),
        duty_rows.c.starts_at <= sa.bindparam("at"),
        duty_rows.c.ends_at > sa.bindparam("at"),
    )
    .limit(1)
)


def somebody_on_duty(db: Session, *, at: datetime) -> bool:
    """Tell whether anybody has the duty at a moment."""
    return db.scalar(_ON_DUTY, {"at": at}) is not None
