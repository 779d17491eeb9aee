"""Drug tests as the service sees them: each morning's draw, the seeds behind it, and the end of testing.

All of it runs in the transaction of what caused it, and the episode is locked first.
"""

from datetime import date, datetime
from typing import Any

from sqlalchemy.orm import Session

from services.monitoring import schemas, tables
from services.monitoring.domain import draws, drug_tests
from services.monitoring.domain.episodes import Episode
from shared.clock import cancel_timer, set_timer
from shared.contracts.event import Event
from shared.database import origin_of
from shared.ids import derived_id
from shared.sealing import fingerprint

#: The timer of an order: each morning draws that day's lot.
DRAW_TIMER = "drug_test_draw"


def begin(db: Session, order: drug_tests.Order, episode: Episode, *, now: datetime) -> None:
    """Draw from the next morning on."""
    assert episode.time_zone is not None  # for the type checker: the admission told it
    db.add(order)
    db.flush()
    _commit_to_seeds(db, order.patient_id, order.ordered_on, now=now)
    set_timer(db, DRAW_TIMER, key=order.order_id, due_at=drug_tests.next_draw_at(now, zone=episode.time_zone))


def draw(db: Session, *, order_id: str, now: datetime) -> list[Event]:
    """Draw today's lot of an order, and see to tomorrow's; return what is announced."""
    order = db.get(drug_tests.Order, order_id)
    episode = tables.find_episode(db, episode_id=order.episode_id, lock=True) if order is not None else None
    if order is None or episode is None or episode.time_zone is None or not episode.in_treatment:
        return []
    # Whoever held the lock before may have ended it.
    db.refresh(order)
    if order.is_over:
        return []
    zone = episode.time_zone
    set_timer(db, DRAW_TIMER, key=order_id, due_at=drug_tests.next_draw_at(now, zone=zone))
    today = drug_tests.local_day(now, zone=zone)
    seed = _commit_to_seeds(db, order.patient_id, today, now=now)
    # A morning that comes so late leaves nobody the time to come.
    if now >= drug_tests.moment_of(today, drug_tests.DAY_ENDS_AT, zone=zone) or not order.draw(
        today, seed=seed.seed
    ):
        return []
    test = drug_tests.drawn(order, episode, today, at=now)
    db.add(test)
    return test.announced()


def end(db: Session, order: drug_tests.Order, *, by: str | None, reason: str, at: datetime) -> list[Event]:
    """Draw no more, and ask for no test that is due; return what is announced.

    :raises OrderIsOver: when it is over.
    """
    order.end(by=by, reason=reason, at=at)
    cancel_timer(db, DRAW_TIMER, key=order.order_id)
    due = tables.drug_tests_of(db, episode_id=order.episode_id, due=True)
    return [event for test in due for event in test.withdraw(at=at)]


def testing_view(db: Session, episode: Episode, *, now: datetime) -> dict[str, Any]:
    """Return an episode's orders and tests, and the seeds of the months that are over."""
    today = drug_tests.local_day(now, zone=episode.time_zone or "UTC")
    seeds = [
        {
            "month": seed.month,
            "commitment": seed.commitment,
            "committed_at": seed.committed_at,
            "seed": seed.seed if draws.month_after(seed.month) <= today else None,
        }
        for seed in tables.seeds_of(db, patient_id=episode.patient_id)
    ]
    view: dict[str, Any] = schemas.DrugTesting().dump(
        {
            "episode_id": episode.episode_id,
            "patient_id": episode.patient_id,
            "orders": tables.testing_orders_of(db, episode_id=episode.episode_id),
            "tests": tables.drug_tests_of(db, episode_id=episode.episode_id),
            "seeds": seeds,
        }
    )
    return view


def _commit_to_seeds(db: Session, patient_id: str, day: date, *, now: datetime) -> drug_tests.Seed:
    """Return the seed of a day's month; it and that of the next are bound to beforehand."""
    month = draws.month_of(day)
    _seed_of(db, patient_id, draws.month_after(month), now=now)
    return _seed_of(db, patient_id, month, now=now)


def _seed_of(db: Session, patient_id: str, month: date, *, now: datetime) -> drug_tests.Seed:
    seed_id = derived_id(patient_id, "draw seed", month.isoformat())
    known = db.get(drug_tests.Seed, seed_id)
    if known is not None:
        return known
    # From the tenant's key, which nobody has: so a repetition draws the same days, and nobody foretells them.
    place = f"{origin_of(db).tenant_id} draw seed {patient_id}"
    seed = fingerprint(month.isoformat().encode(), bound_to=place).hex()
    made = drug_tests.Seed(
        seed_id=seed_id,
        patient_id=patient_id,
        month=month,
        commitment=draws.commitment_of(seed),
        committed_at=now,
        seed=seed,
    )
    db.add(made)
    db.flush()
    return made
