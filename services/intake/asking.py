"""Asking somebody to do something, and saying that it is done: one task each, however often."""

from datetime import datetime

from sqlalchemy.orm import Session

from services.intake import tables
from services.intake.domain.tasks import Task
from shared.messaging import announce, announce_all


def ask(db: Session, task: Task) -> None:
    """Ask somebody, once."""
    if tables.find_task(db, task_id=task.task_id) is None:
        db.add(task)
        announce(db, task.opened())


def end(db: Session, *, task_id: str, outcome: str, at: datetime) -> None:
    """Close what was asked of somebody, if it was."""
    task = tables.find_task(db, task_id=task_id)
    announce_all(db, task.close(outcome=outcome, at=at) if task is not None else ())


def hurry(db: Session, *, task_id: str, due_at: datetime) -> None:
    """Ask for the same sooner, if it is asked still and for later."""
    task = tables.find_task(db, task_id=task_id)
    if task is not None and task.is_open and due_at < task.due_at:
        task.due_at = due_at
        announce(db, task.opened())


def put_off(db: Session, *, task_id: str, due_at: datetime) -> None:
    """Ask for the same by a later day, if it is asked still."""
    task = tables.find_task(db, task_id=task_id)
    if task is not None and task.is_open:
        task.due_at = due_at
        announce(db, task.opened())
