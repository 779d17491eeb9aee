"""What monitoring keeps, and its named queries."""

import functools
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy import CheckConstraint, Column, Index, Integer, String, Table
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session, registry

from services.monitoring.domain import attendance as attendance_rules
from services.monitoring.domain import (
    checkins,
    doses,
    drug_tests,
    earlier_plans,
    escalations,
    on_call,
    outreach,
    pages,
    plans,
    proofs,
    risk,
    support,
)
from services.monitoring.domain import episodes as episode_rules
from shared.contracts.event import EpisodeFact
from shared.database import (
    among,
    id_column,
    moment,
    new_metadata,
    origin_of,
    reference,
    sealed,
    sealed_column,
    send_with_next,
    tenant_column,
    written_once,
)
from shared.many_rows import ONE_ROW, added_to, as_json, ids_in

metadata = new_metadata()
mapper = registry(metadata=metadata)

sites = Table(
    "sites",
    metadata,
    id_column("site_id"),
    tenant_column(primary_key=True),
    Column("time_zone", String(64), nullable=False),
    #: The number that patients may call day and night.
    Column("emergency_line", String(64)),
    #: How often it had been changed when this was told; 0 as it was opened.
    Column("revision", sa.Integer, nullable=False, server_default="0"),
)

episodes = Table(
    "episodes",
    metadata,
    id_column("episode_id"),
    tenant_column(),
    reference("patient_id"),
    reference("journey_id"),
    reference("site_id", nullable=True),
    Column("time_zone", String(64)),
    Column("admitted_at", moment()),
    Column("discharged_at", moment()),
    Column("opioid_history", sa.Boolean, nullable=False),
    Column("last_contact_at", moment()),
    Column("latest_fact_at", moment()),
    Column("calm_from", moment()),
    Column("risk_index", Integer, nullable=False),
    Column("risk_band", String(8), nullable=False),
    Column("ready_at", moment()),
    Column("sessions_attended", Integer, nullable=False),
    Column("outreaches_open", Integer, nullable=False),
    Column("answered_until", moment()),
    Column("discharge_proposed", sa.Boolean, nullable=False),
    #: The task that asks a clinician about safety questions that were left out.
    reference("skips_task_id", nullable=True),
    CheckConstraint("risk_band IN ('GREEN', 'YELLOW', 'ORANGE', 'RED')", name="risk_band"),
    Index("ix_episodes_patient", "tenant_id", "patient_id"),
)

attendances = Table(
    "attendances",
    metadata,
    id_column("seat_id"),
    tenant_column(),
    reference("episode_id"),
    Column("starts_at", moment(), nullable=False),
    Column("clinical_minutes", Integer, nullable=False),
    Column("state", String(16), nullable=False),
    Column("credited_minutes", Integer, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("corrected_at", moment()),
    CheckConstraint("state IN ('ATTENDED', 'MISSED', 'NEITHER')", name="state"),
    Index("ix_attendances_episode", "tenant_id", "episode_id", "starts_at"),
)

comings = Table(
    "comings",
    metadata,
    id_column("coming_id"),
    tenant_column(),
    reference("episode_id"),
    Column("came_at", moment(), nullable=False),
    Index("ix_comings_episode", "tenant_id", "episode_id", "came_at"),
)

short_weeks = Table(
    "short_weeks",
    metadata,
    Column("episode_id", sa.Uuid(as_uuid=False), primary_key=True),
    Column("week_starts_on", sa.Date, primary_key=True),
    tenant_column(),
    Column("attended_minutes", Integer, nullable=False),
    Column("floor_minutes", Integer, nullable=False),
    Column("consecutive_weeks", Integer, nullable=False),
    Column("ends_at", moment(), nullable=False),
    Column("revision", Integer, nullable=False, server_default="0"),
    Column("told_at", moment()),
)

check_ins = Table(
    "check_ins",
    metadata,
    id_column("check_in_id"),
    tenant_column(),
    reference("episode_id"),
    Column("checked_in_at", moment(), nullable=False),
    Column("craving", Integer, nullable=False),
    Column("mood", Integer, nullable=False),
    Column("stress", Integer, nullable=False),
    Column("sleep_hours", sa.Float, nullable=False),
    Column("used", sa.Boolean, nullable=False),
    Column("substance", String(16)),
    Column("risky_situation", sa.Boolean, nullable=False),
    Column("coping_skill_used", sa.Boolean, nullable=False),
    Column("confidence", Integer),
    Column("want_call", sa.Boolean, nullable=False),
    #: Empty where the question was not answered.
    Column("danger", sa.Boolean),
    Column("call_settled_at", moment()),
    Index("ix_check_ins_episode", "tenant_id", "episode_id", "checked_in_at"),
)

support_networks = Table(
    "support_networks",
    metadata,
    tenant_column(),
    reference("patient_id"),
    Column("supporters", Integer, nullable=False),
    Column("told_at", moment(), nullable=False),
    sa.PrimaryKeyConstraint("tenant_id", "patient_id"),
)

treatment_plans = Table(
    "treatment_plans",
    metadata,
    id_column("plan_id"),
    tenant_column(),
    reference("episode_id"),
    reference("patient_id"),
    reference("journey_id"),
    reference("assessment_id"),
    Column("version", Integer, nullable=False),
    Column("drafted_at", moment(), nullable=False),
    Column("review_due_on", sa.Date, nullable=False),
    Column("state", String(16), nullable=False),
    Column("problems", JSONB, nullable=False),
    Column("objectives", JSONB, nullable=False),
    Column("offers", JSONB, nullable=False),
    Column("patient_signed_at", moment()),
    Column("clinician_signed_at", moment()),
    Column("clinician_id", String(64)),
    Column("clinician_role", String(32)),
    Column("clinician_credential", String(16)),
    Column("supervisor_signed_at", moment()),
    Column("supervisor_id", String(64)),
    Column("activated_at", moment()),
    CheckConstraint("state IN ('DRAFT', 'ACTIVE', 'SUPERSEDED')", name="state"),
    Index("ix_treatment_plans_episode", "tenant_id", "episode_id"),
)

earlier_plan_rows = Table(
    "earlier_plans",
    metadata,
    id_column("episode_id"),
    tenant_column(),
    reference("patient_id"),
    reference("journey_id"),
    reference("step_down_id"),
    Column("problems", JSONB, nullable=False),
    Column("modalities", JSONB, nullable=False),
    Column("skills", JSONB, nullable=False),
    Column("triggers", JSONB, nullable=False),
    Column("imported_at", moment(), nullable=False),
)

outreaches = Table(
    "outreaches",
    metadata,
    id_column("outreach_id"),
    tenant_column(),
    reference("episode_id"),
    reference("patient_id"),
    reference("journey_id"),
    reference("seat_id", unique=True),
    Column("session_starts_at", moment(), nullable=False),
    Column("missed_at", moment(), nullable=False),
    Column("consecutive", Integer, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("state", String(8), nullable=False),
    Column("open_tasks", JSONB, nullable=False),
    Column("asked", JSONB, nullable=False),
    Column("silent_since", moment()),
    Column("attempts", Integer, nullable=False),
    Column("first_attempt_at", moment()),
    Column("how", String(16)),
    Column("closed_at", moment()),
    CheckConstraint("state IN ('OPEN', 'CLOSED')", name="state"),
    Index("ix_outreaches_episode", "tenant_id", "episode_id", "state"),
    Index("ix_outreaches_open", "tenant_id", "missed_at", postgresql_where=sa.text("state = 'OPEN'")),
)

outreach_attempts = Table(
    "outreach_attempts",
    metadata,
    id_column("attempt_id"),
    tenant_column(),
    Column("outreach_id", sa.ForeignKey("outreaches.outreach_id"), nullable=False),
    Column("channel", String(16), nullable=False),
    Column("outcome", String(16), nullable=False),
    Column("attempted_at", moment(), nullable=False),
    Column("attempted_by", String(64), nullable=False),
    sealed_column("note"),
)

discharge_proposals = Table(
    "discharge_proposals",
    metadata,
    id_column("proposal_id"),
    tenant_column(),
    reference("episode_id"),
    reference("patient_id"),
    reference("journey_id"),
    Column("last_contact_at", moment(), nullable=False),
    Column("proposed_at", moment(), nullable=False),
    Column("withdrawn_at", moment()),
    Index("ix_discharge_proposals_episode", "tenant_id", "episode_id"),
)

escalation_rows = Table(
    "escalations",
    metadata,
    id_column("escalation_id"),
    tenant_column(),
    reference("patient_id"),
    Column("cause", String(32), nullable=False),
    Column("level", String(2), nullable=False),
    Column("opened_at", moment(), nullable=False),
    Column("level_since", moment(), nullable=False),
    reference("episode_id", nullable=True),
    reference("journey_id", nullable=True),
    Column("state", String(16), nullable=False),
    Column("tier", Integer, nullable=False),
    Column("evidence", JSONB, nullable=False),
    Column("acknowledged_at", moment()),
    Column("acknowledged_by", String(64)),
    Column("closed_at", moment()),
    Column("closed_by", String(64)),
    Column("closed_by_role", String(32)),
    Column("closed_by_credential", String(16)),
    Column("disposition", String(32)),
    sealed_column("note"),
    Column("tasks_done", JSONB, nullable=False, server_default="[]"),
    Column("unconfirmed", JSONB, nullable=False, server_default="[]"),
    CheckConstraint("level IN ('E0', 'E1', 'E2', 'E3', 'E4')", name="level"),
    CheckConstraint("state IN ('OPEN', 'ACKNOWLEDGED', 'CLOSED')", name="state"),
    # One open escalation for each patient and cause: the database itself holds it.
    Index(
        "uq_escalations_open",
        "tenant_id",
        "patient_id",
        "cause",
        unique=True,
        postgresql_where=sa.text("state <> 'CLOSED'"),
    ),
)

level_reviews = Table(
    "level_reviews",
    metadata,
    id_column("review_id"),
    tenant_column(),
    reference("episode_id"),
    Column("reason", String(32), nullable=False),
    Column("due_at", moment(), nullable=False),
    Column("requested_at", moment(), nullable=False),
    Column("withdrawn_at", moment()),
)

staff_contacts = Table(
    "staff_contacts",
    metadata,
    id_column("contact_id"),
    tenant_column(),
    reference("staff_id"),
    Column("role", String(32), nullable=False),
    sealed_column("address", nullable=False),
    Column("active", sa.Boolean, nullable=False),
    sa.UniqueConstraint("tenant_id", "staff_id"),
)

on_call_shifts = Table(
    "on_call_shifts",
    metadata,
    id_column("shift_id"),
    tenant_column(),
    reference("staff_id"),
    Column("starts_at", moment(), nullable=False),
    Column("ends_at", moment(), nullable=False),
    Column("planned_by", String(64), nullable=False),
    Column("withdrawn_at", moment()),
    Column("withdrawn_by", String(64)),
    sealed_column("reason"),
    CheckConstraint("ends_at > starts_at", name="order"),
    Index("ix_on_call_shifts_end", "tenant_id", "ends_at"),
)

on_call_gaps = Table(
    "on_call_gaps",
    metadata,
    id_column("gap_id"),
    tenant_column(),
    Column("starts_at", moment(), nullable=False),
    Column("ends_at", moment()),
    Column("found", Integer, nullable=False),
    Column("begun", sa.Boolean, nullable=False),
    Column("filled_at", moment()),
    Index("ix_on_call_gaps_open", "tenant_id", "starts_at", postgresql_where=sa.text("filled_at IS NULL")),
)

page_rows = Table(
    "pages",
    metadata,
    id_column("page_id"),
    tenant_column(),
    Column("escalation_id", sa.ForeignKey("escalations.escalation_id"), nullable=False),
    reference("patient_id"),
    Column("level", String(2), nullable=False),
    Column("asked_tier", Integer, nullable=False),
    Column("tier", Integer, nullable=False),
    Column("staff_id", String(64), nullable=False),
    Column("paged_as", String(32), nullable=False),
    Column("paged_at", moment(), nullable=False),
    Column("outcome", String(16)),
    Column("settled_at", moment()),
    Index("ix_pages_escalation", "tenant_id", "escalation_id"),
    info={"withheld": "which of the staff were asked, and when"},
)

page_proofs = Table(
    "page_proofs",
    metadata,
    id_column("proof_id"),
    tenant_column(),
    reference("staff_id", nullable=True),
    Column("to_fallback", sa.Boolean, nullable=False, server_default=sa.false()),
    Column("asked_at", moment(), nullable=False),
    Column("outcome", String(16)),
    Column("settled_at", moment()),
    Column("task_opened", sa.Boolean, nullable=False),
    Column("mended_at", moment()),
    Index(
        "ix_page_proofs_broken",
        "tenant_id",
        postgresql_where=sa.text("task_opened AND mended_at IS NULL"),
    ),
)


drug_testing_orders = Table(
    "drug_testing_orders",
    metadata,
    id_column("order_id"),
    tenant_column(),
    reference("episode_id"),
    reference("patient_id"),
    reference("journey_id"),
    Column("mean_interval_days", Integer, nullable=False),
    Column("longest_gap_days", Integer, nullable=False),
    Column("reason", String(32), nullable=False),
    Column("paydays", JSONB, nullable=False),
    Column("ordered_at", moment(), nullable=False),
    Column("ordered_on", sa.Date, nullable=False),
    Column("ordered_by", String(64), nullable=False),
    Column("ordered_by_role", String(32), nullable=False),
    Column("ordered_by_credential", String(16), nullable=False),
    Column("last_drawn_on", sa.Date),
    Column("ended_at", moment()),
    Column("ended_by", String(64)),
    Column("end_reason", String(32)),
    # One order in force for each episode: the database itself holds it.
    Index(
        "uq_drug_testing_orders_open",
        "tenant_id",
        "episode_id",
        unique=True,
        postgresql_where=sa.text("ended_at IS NULL"),
    ),
    Index("ix_drug_testing_orders_episode", "tenant_id", "episode_id"),
)

draw_seeds = Table(
    "draw_seeds",
    metadata,
    id_column("seed_id"),
    tenant_column(),
    reference("patient_id"),
    Column("month", sa.Date, nullable=False),
    Column("commitment", String(64), nullable=False),
    Column("committed_at", moment(), nullable=False),
    sealed_column("seed", nullable=False),
    Index("ix_draw_seeds_patient", "tenant_id", "patient_id", "month"),
    info={"withheld": "a seed tells the days of its month beforehand; the staff show it once that is over"},
)

drug_test_rows = Table(
    "drug_tests",
    metadata,
    id_column("test_id"),
    tenant_column(),
    Column("order_id", sa.ForeignKey("drug_testing_orders.order_id"), nullable=False),
    reference("episode_id"),
    reference("patient_id"),
    reference("journey_id"),
    reference("site_id"),
    Column("due_on", sa.Date, nullable=False),
    Column("due_at", moment(), nullable=False),
    Column("drawn_at", moment(), nullable=False),
    Column("outcome", String(16)),
    Column("result", String(16)),
    Column("positives", JSONB, nullable=False),
    Column("excuse", String(16)),
    Column("recorded_at", moment()),
    Column("recorded_by", String(64)),
    Column("recorded_by_role", String(32)),
    Column("reviewed_at", moment()),
    Column("reviewed_by", String(64)),
    Column("reviewed_by_credential", String(16)),
    Index("ix_drug_tests_episode", "tenant_id", "episode_id", "due_on"),
)


class Attempt:
    """A logged attempt to reach somebody, with its note."""

    def __init__(self, **values: object) -> None:
        for name, value in values.items():
            setattr(self, name, value)


mapper.map_imperatively(support.SupportNetwork, support_networks)
mapper.map_imperatively(episode_rules.Episode, episodes)
mapper.map_imperatively(attendance_rules.Attendance, attendances)
mapper.map_imperatively(attendance_rules.Coming, comings)
mapper.map_imperatively(doses.ToldWeek, short_weeks)
mapper.map_imperatively(doses.LevelReview, level_reviews)
mapper.map_imperatively(checkins.CheckIn, check_ins)
mapper.map_imperatively(plans.Plan, treatment_plans)
mapper.map_imperatively(earlier_plans.EarlierPlan, earlier_plan_rows)
mapper.map_imperatively(outreach.Outreach, outreaches)
mapper.map_imperatively(outreach.Proposal, discharge_proposals)
mapper.map_imperatively(escalations.Escalation, escalation_rows)
mapper.map_imperatively(Attempt, outreach_attempts)
mapper.map_imperatively(on_call.StaffContact, staff_contacts)
mapper.map_imperatively(on_call.Shift, on_call_shifts)
mapper.map_imperatively(on_call.Gap, on_call_gaps)
mapper.map_imperatively(pages.Page, page_rows)
mapper.map_imperatively(proofs.Proof, page_proofs)
mapper.map_imperatively(drug_tests.Order, drug_testing_orders)
mapper.map_imperatively(drug_tests.Seed, draw_seeds)
mapper.map_imperatively(drug_tests.DrugTest, drug_test_rows)
sealed(escalations.Escalation, key="escalation_id", fields=("note",))
sealed(Attempt, key="attempt_id", fields=("note",))
sealed(on_call.StaffContact, key="contact_id", fields=("address",))
sealed(on_call.Shift, key="shift_id", fields=("reason",))
sealed(drug_tests.Seed, key="seed_id", fields=("seed",))


_OF_EPISODE: sa.BindParameter[Any] = sa.bindparam("of_episode")
_OF_TENANT: sa.BindParameter[Any] = sa.bindparam("of_tenant", type_=String)


def lock_episode(
    db: Session, *, episode_id: str, patient_id: str, journey_id: str, is_first_told: bool = False
) -> episode_rules.Episode:
    """Return an episode, made if it is new, locked until the end of the transaction.

    :param is_first_told: whether it most likely is new: to look first would be a trip to the database.
    """
    # What the transaction changed about it before is kept in mind and written once, at the end.
    with db.no_autoflush:
        known = None if is_first_told else find_episode(db, episode_id=episode_id, lock=True)
        return known or _new_episode(db, episode_id=episode_id, patient_id=patient_id, journey_id=journey_id)


def _new_episode(db: Session, *, episode_id: str, patient_id: str, journey_id: str) -> episode_rules.Episode:
    new = {"episode_id": episode_id, "patient_id": patient_id, "journey_id": journey_id}
    send_with_next(db.connection(), _NEW_EPISODE, {**new, "tenant_id": origin_of(db).tenant_id})
    return db.scalars(_LOCKED_EPISODE, {"of_episode": episode_id}).one()


_NEW_EPISODE = """
INSERT INTO episodes (episode_id, tenant_id, patient_id, journey_id, opioid_history, risk_index, risk_band,
    sessions_attended, outreaches_open, discharge_proposed)
VALUES (%(episode_id)s, %(tenant_id)s, %(patient_id)s, %(journey_id)s, false, 0, 'GREEN', 0, 0, false)
ON CONFLICT DO NOTHING
"""
_EPISODE = written_once(sa.select(episode_rules.Episode).where(episodes.c.episode_id == _OF_EPISODE))
_LOCKED_EPISODE = written_once(_EPISODE.with_for_update())


def find_episode(db: Session, *, episode_id: str, lock: bool = False) -> episode_rules.Episode | None:
    """Return an episode that is known."""
    return db.scalar(_LOCKED_EPISODE if lock else _EPISODE, {"of_episode": episode_id})


def attendances_of(
    db: Session, *, episode_id: str, since: datetime | None = None
) -> Sequence[attendance_rules.Attendance]:
    """Return the marks of an episode's seats, oldest first."""
    return db.scalars(_MARKS, {"of_episode": episode_id, "since": since or _EVER}).all()


#: Before anything that Homeward knows of.
_EVER = datetime(1900, 1, 1, tzinfo=UTC)
_SINCE: sa.BindParameter[Any] = sa.bindparam("since")
_MARKS = written_once(
    sa.select(attendance_rules.Attendance)
    .where(attendances.c.episode_id == _OF_EPISODE, attendances.c.starts_at > _SINCE)
    .order_by(attendances.c.starts_at, attendances.c.seat_id)
)


_MARK_COLUMNS = tuple(str(column.name) for column in attendances.c if column.name != "tenant_id")


def keep_marks(
    db: Session, facts: Sequence[EpisodeFact], marks: Sequence[attendance_rules.Attendance]
) -> tuple[dict[str, episode_rules.Episode], dict[str, tuple[bool, str | None]]]:
    """Lock the episodes that events are about, made where they are new, and keep the newest marks of seats.

    Each seat is named once. Nearly every mark is the first of its seat: one trip is all it takes.

    :returns: the episodes by id, and by seat whether this mark is the newest, and what was said before.
    """
    about = {fact.episode_id: fact for fact in facts}
    own = {"tenant_id": origin_of(db).tenant_id, "episode_ids": sorted(about)}
    told = [
        {"tenant_id": own["tenant_id"], **{name: getattr(mark, name) for name in _MARK_COLUMNS}}
        for mark in marks
    ]
    send_with_next(db.connection(), _LOCK_EPISODES, own)
    asked = {"of_tenant": own["tenant_id"], "of_episodes": own["episode_ids"], "marks": as_json(told)}
    # What the transaction changed about them before is kept in mind and written once, at the end.
    with db.no_autoflush:
        rows = db.execute(_KEEP_MARKS, asked).all()
    known = {episode.episode_id: episode for _, episode in rows if episode is not None}
    for episode_id in sorted(set(about) - set(known)):
        fact = about[episode_id]
        ids = {"patient_id": fact.patient_id, "journey_id": fact.journey_id}
        known[episode_id] = _new_episode(db, episode_id=episode_id, **ids)
    new = set(rows[0][0])
    kept = {mark.seat_id: (True, None) if mark.seat_id in new else _correct_mark(db, mark) for mark in marks}
    return known, kept


#: In one order, so that two who take some of the same wait for each other and never in a circle; and before
#: the marks, as whoever keeps one has its episode.
_LOCK_EPISODES = """
SELECT FROM episodes WHERE tenant_id = %(tenant_id)s AND episode_id = ANY(CAST(%(episode_ids)s AS uuid[]))
ORDER BY episode_id FOR UPDATE
"""
_new_marks = added_to(attendances, "marks")
#: Beside the session, which would write the episode first, once more for every mark. Each row tells of an
#: episode, where any is known, and all of them which seats had no mark before.
_KEEP_MARKS = written_once(
    sa.select(ids_in(_new_marks.c.seat_id), episode_rules.Episode)
    .select_from(ONE_ROW)
    .outerjoin(
        episode_rules.Episode,
        sa.and_(
            episodes.c.tenant_id == _OF_TENANT,
            episodes.c.episode_id.in_(sa.bindparam("of_episodes", expanding=True)),
        ),
    ),
    narrowed=(episode_rules.Episode,),
)


def _correct_mark(db: Session, mark: attendance_rules.Attendance) -> tuple[bool, str | None]:
    known = db.execute(
        sa.select(attendance_rules.Attendance).where(attendances.c.seat_id == mark.seat_id)
    ).scalar_one()
    before = known.state
    newer = known.correct(
        state=mark.state,
        credited_minutes=mark.credited_minutes,
        revision=mark.revision,
        corrected_at=mark.corrected_at,
    )
    db.flush()
    return newer, before


def facts_of(db: Session, *, episode_ids: Collection[str], since: datetime) -> dict[str, risk.Facts]:
    """Return the facts that the risk index counts from a moment on, by the episode that they are of."""
    which = {"of_tenant": origin_of(db).tenant_id, "of_episodes": sorted(episode_ids), "since": since}
    found: dict[str, dict[str, list[Any]]] = {
        episode_id: {"seat": [], "check-in": [], "short week": []} for episode_id in which["of_episodes"]
    }
    for row in db.execute(_FACTS, which):
        found[row.episode_id][row.kind].append(row)
    return {episode_id: _facts_in(rows) for episode_id, rows in found.items()}


def _facts_in(rows: dict[str, list[Any]]) -> risk.Facts:
    return risk.Facts(
        seats=[risk.SeatFact(starts_at=row.at, state=row.state) for row in rows["seat"]],
        check_ins=[
            risk.CheckInFact(
                at=row.at,
                craving=row.craving,
                mood=row.mood,
                sleep_hours=row.sleep_hours,
                used=row.used,
                skill_used=row.coping_skill_used,
            )
            for row in rows["check-in"]
        ],
        short_weeks=[row.at for row in rows["short week"]],
    )


_ANSWERS = [check_ins.c[name] for name in ("craving", "mood", "sleep_hours", "used", "coping_skill_used")]
_NO_ANSWERS = [sa.cast(sa.null(), answer.type).label(answer.name) for answer in _ANSWERS]
_NO_STATE = sa.cast(sa.null(), attendances.c.state.type).label("state")


def _facts(kind: str, at: sa.Column[datetime], *told: sa.ColumnElement[Any]) -> sa.Select[Any]:
    columns = at.table.c
    return sa.select(
        sa.literal_column(f"'{kind}'", String).label("kind"), columns.episode_id, at.label("at"), *told
    ).where(
        columns.tenant_id == _OF_TENANT,
        columns.episode_id.in_(sa.bindparam("of_episodes", expanding=True)),
        at > _SINCE,
    )


#: All in one look; each row tells what it is.
_FACTS = written_once(
    sa.select(
        sa.union_all(
            _facts("seat", attendances.c.starts_at, attendances.c.state, *_NO_ANSWERS),
            _facts("check-in", check_ins.c.checked_in_at, _NO_STATE, *_ANSWERS),
            # A week that was told and is not short after all stays on record, and counts for nothing.
            _facts("short week", short_weeks.c.ends_at, _NO_STATE, *_NO_ANSWERS).where(
                short_weeks.c.consecutive_weeks > 0
            ),
        ).subquery("facts")
    )
)


def newest_check_ins(db: Session, *, episode_id: str, limit: int) -> Sequence[checkins.CheckIn]:
    """Return the newest check-ins of an episode, the newest first."""
    return db.scalars(
        sa.select(checkins.CheckIn)
        .where(check_ins.c.episode_id == episode_id)
        .order_by(check_ins.c.checked_in_at.desc(), check_ins.c.check_in_id.desc())
        .limit(limit)
    ).all()


@dataclass(kw_only=True)
class Course:
    """How a treatment went: the marks of all seats, the oldest first, and when use was reported."""

    seats: list[attendance_rules.Attendance]
    uses: list[datetime]


def courses_of(db: Session, *, episode_ids: Collection[str]) -> dict[str, Course]:
    """Return the marks of all seats and the reported uses of some episodes, by episode, in one look."""
    asked = {"of_tenant": origin_of(db).tenant_id, "of_episodes": sorted(episode_ids)}
    found = {episode_id: Course(seats=[], uses=[]) for episode_id in asked["of_episodes"]}
    for seat, used_in, used_at in db.execute(_COURSES, asked):
        if seat is not None:
            found[seat.episode_id].seats.append(seat)
        else:
            found[used_in].uses.append(used_at)
    return found


_OF_EPISODES: sa.BindParameter[Any] = sa.bindparam("of_episodes", expanding=True)
_SeatOfAny = among(
    attendance_rules.Attendance,
    attendances.c.tenant_id == _OF_TENANT,
    attendances.c.episode_id.in_(_OF_EPISODES),
)
_uses = (
    sa.select(check_ins.c.episode_id, check_ins.c.checked_in_at)
    .where(check_ins.c.tenant_id == _OF_TENANT, check_ins.c.episode_id.in_(_OF_EPISODES), check_ins.c.used)
    .subquery("uses")
)
#: Two questions in one: each row tells of a mark or of a use, which are joined by nothing.
_COURSES = written_once(
    sa.select(_SeatOfAny, _uses.c.episode_id, _uses.c.checked_in_at)
    .select_from(_SeatOfAny)
    .join(_uses, sa.false(), full=True)
    .order_by(_SeatOfAny.starts_at, _SeatOfAny.seat_id),
    narrowed=(_SeatOfAny,),
)


class Known:
    """What is known of some episodes; each part is looked up for all of them when it is needed first."""

    def __init__(self, db: Session, *, episode_ids: Collection[str], since: datetime) -> None:
        """Look at these; at facts from a moment on."""
        self._db = db
        self._episode_ids = episode_ids
        self._since = since - FACTS_BACK

    @functools.cached_property
    def facts(self) -> dict[str, risk.Facts]:
        """What the risk index counts, by episode."""
        return facts_of(self._db, episode_ids=self._episode_ids, since=self._since)

    @functools.cached_property
    def courses(self) -> dict[str, Course]:
        """How the treatments went, by episode."""
        return courses_of(self._db, episode_ids=self._episode_ids)


def lock_outreach(
    db: Session, *, outreach_id: str
) -> tuple[outreach.Outreach, episode_rules.Episode] | tuple[None, None]:
    """Return an outreach and its episode, which nobody else changes until the transaction ends."""
    # The episode is locked before its outreaches, as every reaction does it.
    locked = {"tenant_id": origin_of(db).tenant_id, "outreach_id": outreach_id}
    send_with_next(db.connection(), _LOCK_EPISODE_OF_OUTREACH, locked)
    row = db.execute(_LOCKED_OUTREACH, {"of_outreach": outreach_id}).first()
    return (row[0], row[1]) if row else (None, None)


_LOCK_EPISODE_OF_OUTREACH = """
SELECT FROM episodes
WHERE tenant_id = %(tenant_id)s AND episode_id = (
    SELECT episode_id FROM outreaches WHERE tenant_id = %(tenant_id)s AND outreach_id = %(outreach_id)s)
FOR UPDATE
"""
_LOCKED_OUTREACH = written_once(
    sa.select(outreach.Outreach, episode_rules.Episode)
    .join(episode_rules.Episode, episodes.c.episode_id == outreaches.c.episode_id)
    .where(outreaches.c.outreach_id == sa.bindparam("of_outreach"))
    .with_for_update(of=outreaches)
    .execution_options(populate_existing=True)
)


def outreaches_of(db: Session, *, episode_id: str) -> Sequence[outreach.Outreach]:
    """Return all outreaches of an episode, oldest first."""
    return db.scalars(_OUTREACHES, {"of_episode": episode_id}).all()


_OUTREACHES = written_once(
    sa.select(outreach.Outreach)
    .where(outreaches.c.episode_id == _OF_EPISODE)
    .order_by(outreaches.c.missed_at, outreaches.c.outreach_id)
)


@dataclass(kw_only=True)
class Absences:
    """What is known of an episode that outreaches follow from."""

    outreaches: list[outreach.Outreach]
    #: The marks of all seats, the oldest first.
    seats: list[attendance_rules.Attendance]
    #: When an attempt reached the patient, the earliest first.
    reached: list[datetime]

    @property
    def in_turn(self) -> list[outreach.Outreach]:
        """The outreaches in the order of their absences."""
        return sorted(self.outreaches, key=lambda one: (one.missed_at, one.outreach_id))


def absences_of(db: Session, *, episode_id: str) -> Absences:
    """Return the outreaches of an episode and what they follow from, in one look."""
    asked = {"of_tenant": origin_of(db).tenant_id, "of_episode": episode_id}
    rows = db.execute(_ABSENCES, asked).all()
    return Absences(
        outreaches=[found for found, _, _ in rows if found is not None],
        seats=[seat for _, seat, _ in rows if seat is not None],
        reached=[at for _, _, at in rows if at is not None],
    )


_Outreach = among(
    outreach.Outreach, outreaches.c.tenant_id == _OF_TENANT, outreaches.c.episode_id == _OF_EPISODE
)
_Seat = among(
    attendance_rules.Attendance,
    attendances.c.tenant_id == _OF_TENANT,
    attendances.c.episode_id == _OF_EPISODE,
)
_reached = (
    sa.select(outreach_attempts.c.attempted_at)
    .join(outreaches, outreaches.c.outreach_id == outreach_attempts.c.outreach_id)
    .where(
        outreaches.c.tenant_id == _OF_TENANT,
        outreaches.c.episode_id == _OF_EPISODE,
        outreach_attempts.c.outcome == "REACHED",
    )
    .subquery("reached")
)
#: Three questions in one: each row tells of an outreach, a mark or an attempt, which are joined by nothing.
_ABSENCES = written_once(
    sa.select(_Outreach, _Seat, _reached.c.attempted_at)
    .select_from(_Outreach)
    .join(_Seat, sa.false(), full=True)
    .join(_reached, sa.false(), full=True)
    .order_by(
        _Outreach.missed_at,
        _Outreach.outreach_id,
        _Seat.starts_at,
        _Seat.seat_id,
        _reached.c.attempted_at,
    ),
    narrowed=(_Outreach, _Seat),
)


def reached_of(db: Session, *, episode_id: str) -> list[datetime]:
    """Return the moments at which an outreach of an episode reached the patient, earliest first."""
    return list(db.scalars(_REACHED, {"of_episode": episode_id}))


_REACHED = written_once(
    sa.select(outreach_attempts.c.attempted_at)
    .join(outreaches, outreaches.c.outreach_id == outreach_attempts.c.outreach_id)
    .where(outreaches.c.episode_id == _OF_EPISODE, outreach_attempts.c.outcome == "REACHED")
    .order_by(outreach_attempts.c.attempted_at)
)


def newest_check_in_at(db: Session, *, episode_id: str) -> datetime | None:
    """Return when a patient last checked in."""
    return db.scalar(
        sa.select(sa.func.max(check_ins.c.checked_in_at)).where(check_ins.c.episode_id == episode_id)
    )


def newest_coming_at(db: Session, *, episode_id: str) -> datetime | None:
    """Return when a patient last came to a session and was not seen."""
    return db.scalar(sa.select(sa.func.max(comings.c.came_at)).where(comings.c.episode_id == episode_id))


def proposals_of(db: Session, *, episode_id: str) -> Sequence[outreach.Proposal]:
    """Return the discharges that were proposed for an episode, oldest first."""
    return db.scalars(_PROPOSALS, {"of_episode": episode_id}).all()


_PROPOSALS = written_once(
    sa.select(outreach.Proposal)
    .where(discharge_proposals.c.episode_id == _OF_EPISODE)
    .order_by(discharge_proposals.c.proposed_at, discharge_proposals.c.proposal_id)
)


def ready_episodes_of(db: Session, *, patient_id: str) -> Sequence[episode_rules.Episode]:
    """Return the episodes of a patient in which the criteria of a graduation are met."""
    return db.scalars(
        sa.select(episode_rules.Episode)
        .where(
            episodes.c.patient_id == patient_id,
            episodes.c.ready_at.is_not(None),
            episodes.c.discharged_at.is_(None),
        )
        .order_by(episodes.c.episode_id)
    ).all()


def find_earlier_plan(
    db: Session, *, episode_id: str, lock: bool = False
) -> earlier_plans.EarlierPlan | None:
    """Return an episode's earlier plan, if it is known; locked until the transaction ends if asked."""
    query = sa.select(earlier_plans.EarlierPlan).where(earlier_plan_rows.c.episode_id == episode_id)
    if lock:
        query = query.with_for_update().execution_options(populate_existing=True)
    return db.scalar(query)


#: Advisory locks of what is known about who backs a patient, and what plans make of it.
_SUPPORT_LOCK = 4_203_001


def find_network(db: Session, patient_id: str) -> support.SupportNetwork | None:
    """Return what a patient told last about who backs them, if anything; nobody else asks meanwhile.

    So a plan that is drafted at the same moment knows of it, or is known to whoever keeps it.
    """
    _take_turn(db, patient_id, seed=_SUPPORT_LOCK)
    return db.scalar(_NETWORK, {"of_patient": patient_id})


_NETWORK = written_once(
    sa.select(support.SupportNetwork)
    .where(support_networks.c.patient_id == sa.bindparam("of_patient"))
    .execution_options(populate_existing=True)
)


def _take_turn(db: Session, place: str, *, seed: int = 0) -> None:
    """Wait with the next statement until nobody else has the turn there, and keep it until the commit."""
    send_with_next(db.connection(), _TAKE_TURN, {"place": place, "seed": seed})


_TAKE_TURN = "SELECT pg_advisory_xact_lock(hashtextextended(%(place)s, %(seed)s))"


def plans_of_patient(db: Session, patient_id: str) -> list[plans.Plan]:
    """Return all treatment plans of a patient, locked."""
    query = sa.select(plans.Plan).where(treatment_plans.c.patient_id == patient_id)
    return list(db.scalars(query.order_by(treatment_plans.c.plan_id).with_for_update()))


def plans_of(db: Session, *, episode_id: str) -> Sequence[plans.Plan]:
    """Return the treatment plans of an episode, oldest version first."""
    return db.scalars(_PLANS, {"of_episode": episode_id}).all()


_PLANS = written_once(
    sa.select(plans.Plan)
    .where(treatment_plans.c.episode_id == _OF_EPISODE)
    .order_by(treatment_plans.c.drafted_at, treatment_plans.c.plan_id)
)


def lock_plan(db: Session, *, plan_id: str) -> tuple[plans.Plan, episode_rules.Episode | None] | None:
    """Return a treatment plan and its episode, if it is known, which nobody else changes from here on."""
    # The episode is locked before its plans, as every reaction does it.
    locked = {"tenant_id": origin_of(db).tenant_id, "plan_id": plan_id}
    send_with_next(db.connection(), _LOCK_EPISODE_OF_PLAN, locked)
    asked = {"of_tenant": locked["tenant_id"], "of_plan": plan_id}
    row = db.execute(_LOCKED_PLAN, asked).first()
    return (row[0], row[1]) if row else None


_LOCK_EPISODE_OF_PLAN = """
SELECT FROM episodes
WHERE tenant_id = %(tenant_id)s AND episode_id = (
    SELECT episode_id FROM treatment_plans WHERE tenant_id = %(tenant_id)s AND plan_id = %(plan_id)s)
FOR UPDATE
"""
_LOCKED_PLAN = written_once(
    sa.select(plans.Plan, episode_rules.Episode)
    .outerjoin(
        episode_rules.Episode,
        sa.and_(episodes.c.tenant_id == _OF_TENANT, episodes.c.episode_id == treatment_plans.c.episode_id),
    )
    .where(treatment_plans.c.plan_id == sa.bindparam("of_plan"))
    .with_for_update(of=treatment_plans)
    .execution_options(populate_existing=True),
    narrowed=(episode_rules.Episode,),
)


_FOR_CAUSE = (
    escalation_rows.c.patient_id == sa.bindparam("of_patient"),
    escalation_rows.c.cause == sa.bindparam("for_cause"),
)
_OPEN_ESCALATION = written_once(
    sa.select(escalations.Escalation)
    .where(*_FOR_CAUSE, escalation_rows.c.state != escalations.CLOSED)
    .with_for_update()
)
_CLOSED_ESCALATION = written_once(
    sa.select(escalations.Escalation).where(
        *_FOR_CAUSE,
        escalation_rows.c.state == escalations.CLOSED,
        escalation_rows.c.evidence.contains(sa.bindparam("knowing_of", type_=JSONB)),
    )
)
#: Of whatever tenant: an escalation's id is made of the number, and another tenant may have told of a danger
#: under the same patient's id.
_ESCALATIONS = sa.select(sa.func.count(escalation_rows.c.escalation_id)).where(*_FOR_CAUSE)


def open_escalation(db: Session, *, patient_id: str, cause: str) -> escalations.Escalation | None:
    """Return the open escalation of a patient for a cause, locked."""
    asked = {"of_patient": patient_id, "for_cause": cause}
    return db.scalars(_OPEN_ESCALATION, asked).one_or_none()


def escalations_about_somebody(db: Session, *, stand_in: str, cause: str) -> Sequence[escalations.Escalation]:
    """Return the escalations about somebody whom nobody had named, locked."""
    return db.scalars(
        sa.select(escalations.Escalation)
        .where(escalation_rows.c.patient_id == stand_in, escalation_rows.c.cause == cause)
        .with_for_update()
    ).all()


def closed_escalation_about(
    db: Session, *, patient_id: str, cause: str, evidence_id: str
) -> escalations.Escalation | None:
    """Return the escalation that a human closed knowing of something."""
    asked = {"of_patient": patient_id, "for_cause": cause, "knowing_of": [evidence_id]}
    return db.scalars(_CLOSED_ESCALATION, asked).first()


def count_escalations(db: Session, *, patient_id: str, cause: str) -> int:
    """Return how many escalations there were under a patient's id for a cause."""
    return int(db.scalar(_ESCALATIONS, {"of_patient": patient_id, "for_cause": cause}) or 0)


def has_open_danger(db: Session, *, patient_id: str) -> bool:
    """Return whether a patient has an open escalation of level E3 or E4."""
    return (
        db.scalars(
            sa.select(escalations.Escalation)
            .where(
                escalation_rows.c.patient_id == patient_id,
                escalation_rows.c.state != escalations.CLOSED,
                escalation_rows.c.level.in_(escalations.DANGERS),
            )
            .limit(1)
        ).first()
        is not None
    )


def lock_patient(db: Session, *, patient_id: str) -> None:
    """Let nobody else open an escalation of this patient until the end of the transaction."""
    _take_turn(db, f"escalation {patient_id}")


# --- Drug tests -----------------------------------------------------------------------------------


def order_in_force(db: Session, *, episode_id: str) -> drug_tests.Order | None:
    """Return the order by which an episode's patient is tested now."""
    return db.scalars(
        sa.select(drug_tests.Order).where(
            drug_testing_orders.c.episode_id == episode_id, drug_testing_orders.c.ended_at.is_(None)
        )
    ).one_or_none()


def testing_orders_of(db: Session, *, episode_id: str) -> Sequence[drug_tests.Order]:
    """Return every order of an episode, the first one first."""
    return db.scalars(
        sa.select(drug_tests.Order)
        .where(drug_testing_orders.c.episode_id == episode_id)
        .order_by(drug_testing_orders.c.ordered_at, drug_testing_orders.c.order_id)
    ).all()


def drug_tests_of(db: Session, *, episode_id: str, due: bool = False) -> Sequence[drug_tests.DrugTest]:
    """Return the tests that were drawn in an episode, the first one first.

    :param due: only those of which nothing came yet.
    """
    query = sa.select(drug_tests.DrugTest).where(drug_test_rows.c.episode_id == episode_id)
    if due:
        query = query.where(drug_test_rows.c.outcome.is_(None))
    return db.scalars(query.order_by(drug_test_rows.c.due_on, drug_test_rows.c.test_id)).all()


def seeds_of(db: Session, *, patient_id: str) -> Sequence[drug_tests.Seed]:
    """Return what a patient's lots come from, the first month first."""
    return db.scalars(
        sa.select(drug_tests.Seed).where(draw_seeds.c.patient_id == patient_id).order_by(draw_seeds.c.month)
    ).all()


# --- On-call duty and pages -----------------------------------------------------------------------


#: A shift counts only while whoever has it can be paged.
_OF_ACTIVE_STAFF = sa.and_(
    staff_contacts.c.tenant_id == on_call_shifts.c.tenant_id,
    staff_contacts.c.staff_id == on_call_shifts.c.staff_id,
    staff_contacts.c.active,
)


def lock_roster(db: Session) -> None:
    """Let nobody else change the tenant's roster until the end of the transaction."""
    _take_turn(db, f"roster {origin_of(db).tenant_id}")


def tenants(db: Session) -> Sequence[str]:
    """Return every tenant that has opened a site or told of its staff."""
    known = sa.union(sa.select(sites.c.tenant_id), sa.select(staff_contacts.c.tenant_id))
    return db.scalars(known.order_by(sa.text("tenant_id"))).all()


_TIME_ZONE = (
    sa.select(sites.c.time_zone)
    .where(sites.c.tenant_id == sa.bindparam("of_tenant"))
    .order_by(sites.c.site_id)
    .limit(1)
)


def time_zone(db: Session) -> str:
    """Return where the tenant's staff live, as its sites tell it."""
    return db.scalar(_TIME_ZONE, {"of_tenant": origin_of(db).tenant_id}) or "UTC"


def contact_of(db: Session, *, staff_id: str, lock: bool = False) -> on_call.StaffContact | None:
    """Return where somebody of the staff is paged."""
    query = sa.select(on_call.StaffContact).where(staff_contacts.c.staff_id == staff_id)
    return db.scalars(query.with_for_update() if lock else query).one_or_none()


_CONTACTS = written_once(
    sa.select(on_call.StaffContact)
    .where(staff_contacts.c.active)
    .order_by(staff_contacts.c.role, staff_contacts.c.staff_id)
)


def active_contacts(db: Session) -> Sequence[on_call.StaffContact]:
    """Return everybody who can be paged."""
    return db.scalars(_CONTACTS).all()


_SHIFTS = written_once(
    sa.select(on_call.Shift)
    .join(staff_contacts, _OF_ACTIVE_STAFF)
    .where(on_call_shifts.c.withdrawn_at.is_(None), on_call_shifts.c.ends_at > _SINCE)
    .order_by(on_call_shifts.c.starts_at, on_call_shifts.c.shift_id)
)
_SHIFTS_BEGUN = written_once(_SHIFTS.where(on_call_shifts.c.starts_at <= sa.bindparam("until")))


def shifts_after(db: Session, *, since: datetime, until: datetime | None = None) -> Sequence[on_call.Shift]:
    """Return the shifts on the roster that are not over at a moment, of staff who can be paged.

    :param until: where it is given, only those that have begun by then.
    """
    if until is None:
        return db.scalars(_SHIFTS, {"since": since}).all()
    return db.scalars(_SHIFTS_BEGUN, {"since": since, "until": until}).all()


def has_shift_now(db: Session, *, at: datetime) -> bool:
    """Return whether the roster names anybody, who may have no address, for a moment."""
    query = sa.select(on_call.Shift).where(
        on_call_shifts.c.withdrawn_at.is_(None),
        on_call_shifts.c.starts_at <= at,
        on_call_shifts.c.ends_at > at,
    )
    return db.scalars(query.limit(1)).first() is not None


def somebody_on_duty(db: Session, *, at: datetime) -> bool:
    """Return whether anybody who can be paged has the duty at a moment."""
    query = (
        sa.select(on_call.Shift)
        .join(staff_contacts, _OF_ACTIVE_STAFF)
        .where(
            on_call_shifts.c.withdrawn_at.is_(None),
            on_call_shifts.c.starts_at <= at,
            on_call_shifts.c.ends_at > at,
        )
    )
    return db.scalars(query.limit(1)).first() is not None


def roster(db: Session, *, at: datetime) -> pages.Roster:
    """Return who can be paged at a moment, and who of them has the duty."""
    rows = db.execute(_ROSTER, {"at": at}).all()
    return pages.Roster(
        contacts=list(dict.fromkeys(contact for contact, _ in rows)),
        on_duty=frozenset(on_call.on_duty([shift for _, shift in rows if shift is not None], at=at)),
    )


_ROSTER = written_once(
    sa.select(on_call.StaffContact, on_call.Shift)
    .outerjoin(
        on_call.Shift,
        sa.and_(
            _OF_ACTIVE_STAFF,
            on_call_shifts.c.withdrawn_at.is_(None),
            on_call_shifts.c.ends_at > sa.bindparam("at"),
        ),
    )
    .where(staff_contacts.c.active)
    .order_by(
        staff_contacts.c.role,
        staff_contacts.c.staff_id,
        on_call_shifts.c.starts_at,
        on_call_shifts.c.shift_id,
    ),
    narrowed=(on_call.Shift,),
)


def open_gaps(db: Session) -> Sequence[on_call.Gap]:
    """Return the gaps that were found and are neither filled nor over, the first one first."""
    return db.scalars(_OPEN_GAPS).all()


_OPEN_GAPS = written_once(
    sa.select(on_call.Gap).where(on_call_gaps.c.filled_at.is_(None)).order_by(on_call_gaps.c.starts_at)
)


def tenants_with_nobody_on_duty(connection: sa.Connection) -> int:
    """Return in how many tenants a gap has begun and is not over."""
    begun = sa.and_(on_call_gaps.c.filled_at.is_(None), on_call_gaps.c.begun)
    return connection.execute(
        sa.select(sa.func.count(on_call_gaps.c.tenant_id.distinct())).where(begun)
    ).scalar_one()


def pages_of(db: Session, *, escalation_id: str) -> Sequence[pages.Page]:
    """Return the pages about an escalation, the first one first."""
    return db.scalars(_PAGES, {"of_escalation": escalation_id}).all()


_IN_TURN = (page_rows.c.paged_at, page_rows.c.tier, page_rows.c.staff_id)
_PAGES = written_once(
    sa.select(pages.Page)
    .where(page_rows.c.escalation_id == sa.bindparam("of_escalation"))
    .order_by(*_IN_TURN)
)


def lock_paged(db: Session, *, page_id: str) -> tuple[escalations.Escalation, Sequence[pages.Page]] | None:
    """Return the escalation that a page is about, locked, and all pages about it, the first one first."""
    # The lock is a statement of its own: one that waits for it would see the pages as they were before.
    send_with_next(db.connection(), _LOCK_PAGED, {"tenant_id": origin_of(db).tenant_id, "page_id": page_id})
    rows = db.execute(_PAGED, {"of_page": page_id}).all()
    return (rows[0][0], [page for _, page in rows]) if rows else None


_LOCK_PAGED = """
SELECT FROM escalations WHERE tenant_id = %(tenant_id)s AND escalation_id = (
    SELECT escalation_id FROM pages WHERE tenant_id = %(tenant_id)s AND page_id = %(page_id)s
) FOR UPDATE
"""
_settled = page_rows.alias("settled")
_PAGED = written_once(
    sa.select(escalations.Escalation, pages.Page)
    .join(pages.Page, page_rows.c.escalation_id == escalation_rows.c.escalation_id)
    .where(
        escalation_rows.c.escalation_id
        == sa.select(_settled.c.escalation_id)
        .where(_settled.c.page_id == sa.bindparam("of_page"))
        .scalar_subquery()
    )
    .order_by(*_IN_TURN)
    .execution_options(populate_existing=True)
)


def proofs_to_mend(db: Session) -> Sequence[proofs.Proof]:
    """Return the tests after which a human was asked to mend the way."""
    return db.scalars(_TO_MEND).all()


_TO_MEND = written_once(
    sa.select(proofs.Proof)
    .where(page_proofs.c.task_opened, page_proofs.c.mended_at.is_(None))
    .order_by(page_proofs.c.asked_at, page_proofs.c.proof_id)
)


def page(
    db: Session, query: sa.Select[Any], *, after: str | None, key: sa.Column[str], limit: int
) -> tuple[list[Any], str | None]:
    """Return a page of rows by id, and the cursor of the next one."""
    if after is not None:
        query = query.where(key > after)
    rows = list(db.scalars(query.order_by(key).limit(limit + 1)))
    more = len(rows) > limit
    rows = rows[:limit]
    return rows, (str(getattr(rows[-1], key.name)) if more else None)


def find_told_week(db: Session, *, episode_id: str, week_starts_on: date) -> doses.ToldWeek | None:
    """Return what is known of a week that was told as short."""
    return db.get(doses.ToldWeek, (episode_id, week_starts_on))


def find_level_review(db: Session, *, review_id: str) -> doses.LevelReview | None:
    """Return a review that was asked for."""
    return db.get(doses.LevelReview, review_id)


def keep_site(
    db: Session, *, site_id: str, time_zone: str, emergency_line: str | None, revision: int = 0
) -> None:
    """Keep a site's time zone and the number that patients may call, unless something newer is known."""
    told = {"time_zone": time_zone, "emergency_line": emergency_line, "revision": revision}
    insert = postgresql.insert(sites).values(site_id=site_id, tenant_id=origin_of(db).tenant_id, **told)
    db.execute(
        insert.on_conflict_do_update(
            index_elements=["site_id", "tenant_id"],
            set_=told,
            where=sites.c.revision < insert.excluded.revision,
        )
    )


def emergency_line_of(db: Session, *, site_id: str | None) -> str | None:
    """Return the number to call of a site; where it is not known which, that of the only one there is."""
    found = db.execute(
        sa.select(sites.c.site_id, sites.c.emergency_line)
        .where(sites.c.tenant_id == origin_of(db).tenant_id)
        .order_by(sites.c.site_id)
    ).all()
    lines = {row.emergency_line for row in found if site_id in (None, row.site_id)}
    return lines.pop() if len(lines) == 1 else None


#: How far back facts are loaded: the index looks back a week from moments up to a week back.
FACTS_BACK = timedelta(days=22)
