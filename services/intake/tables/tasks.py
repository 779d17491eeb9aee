"""Tasks for the work list."""

from collections.abc import Collection

import sqlalchemy as sa
from sqlalchemy import Column, Index, String, Table
from sqlalchemy.orm import Session

from services.intake.domain import tasks
from services.intake.tables.columns import CODE, any_of, mapper, metadata, one_of
from shared.database import id_column, moment, reference, tenant_column, written_once

task_rows = Table(
    "tasks",
    metadata,
    id_column("task_id"),
    tenant_column(),
    Column("task", CODE, nullable=False),
    Column("owner_role", String(32), nullable=False),
    Column("next_role", String(32), nullable=False),
    Column("reason", CODE, nullable=False),
    reference("about_id"),
    reference("patient_id", nullable=True),
    reference("episode_id", nullable=True),
    reference("journey_id", nullable=True),
    Column("opened_at", moment(), nullable=False),
    Column("due_at", moment(), nullable=False),
    Column("outcome", CODE),
    Column("closed_at", moment()),
    one_of("outcome", (tasks.DONE, tasks.WITHDRAWN, tasks.ESCALATED)),
    Index("ix_tasks_tenant_episode", "tenant_id", "episode_id"),
    info={"withheld": "the program's own work list, which may tell of a court's demand"},
)

mapper.map_imperatively(tasks.Task, task_rows)


def find_task(db: Session, *, task_id: str) -> tasks.Task | None:
    """Return a task, if it is there."""
    return db.get(tasks.Task, task_id)


_OPEN_OF_EPISODE = written_once(
    sa.select(tasks.Task)
    .where(task_rows.c.episode_id == sa.bindparam("of_episode"), task_rows.c.outcome.is_(None))
    .order_by(task_rows.c.task_id)
)
_OPEN_ABOUT = written_once(
    sa.select(tasks.Task)
    .where(
        task_rows.c.patient_id == sa.bindparam("of_patient"),
        task_rows.c.task.in_(sa.bindparam("of_kinds", expanding=True)),
        task_rows.c.outcome.is_(None),
    )
    .order_by(task_rows.c.task_id)
)


#: Somebody else may have closed one that was seen open before.
_OF_EPISODES = written_once(
    sa.select(tasks.Task)
    .where(task_rows.c.episode_id == any_of("of_episodes"), task_rows.c.task == sa.bindparam("of_kind"))
    .order_by(task_rows.c.task_id)
    .execution_options(populate_existing=True)
)


def open_tasks_of(db: Session, *, episode_id: str, task: str | None = None) -> list[tasks.Task]:
    """Return the open tasks of an episode, by id; of one kind, where *task* names it."""
    open_ = db.scalars(_OPEN_OF_EPISODE, {"of_episode": episode_id})
    return [one for one in open_ if task is None or one.task == task]


def tasks_of_episodes(db: Session, *, episode_ids: Collection[str], task: str) -> dict[str, list[tasks.Task]]:
    """Return the tasks of one kind that each of some episodes has had, open or not, by id."""
    found: dict[str, list[tasks.Task]] = {episode_id: [] for episode_id in episode_ids}
    for one in db.scalars(_OF_EPISODES, {"of_episodes": list(found), "of_kind": task}):
        assert one.episode_id is not None  # it was found by it
        found[one.episode_id].append(one)
    return found


def open_tasks_about(db: Session, *, patient_id: str, tasks_named: Collection[str]) -> list[tasks.Task]:
    """Return the open tasks of some kinds about a person, by id."""
    if not tasks_named:
        return []
    return list(db.scalars(_OPEN_ABOUT, {"of_patient": patient_id, "of_kinds": sorted(tasks_named)}))


def open_tasks_on(db: Session, *, about_id: str, tasks_named: Collection[str]) -> list[tasks.Task]:
    """Return the open tasks of some kinds about a thing, by id."""
    query = sa.select(tasks.Task).where(
        task_rows.c.about_id == about_id, task_rows.c.task.in_(tasks_named), task_rows.c.outcome.is_(None)
    )
    return list(db.scalars(query.order_by(task_rows.c.task_id)))
