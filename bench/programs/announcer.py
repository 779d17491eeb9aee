"""``python -m bench.programs.announcer``: a service that announces short weeks, as it is told.

``{"number": 1000, "per_transaction": 1, "at_once": 8}`` announces as fast as it goes;
``{"number": 1000, "per_second": 200}`` evenly, one in each transaction, and with ``"poison_at": [0, 100]``
after the first of them and after the hundred and first one more, whose reaction fails. Answered when all is
committed.
"""

import eventlet

eventlet.monkey_patch()

import time  # noqa: E402  # what is imported from here on must find the patched modules
from typing import Any  # noqa: E402

from eventlet.greenpool import GreenPool  # noqa: E402
from marshmallow import Schema  # noqa: E402
from sqlalchemy.orm import Session  # noqa: E402

from bench.programs.hosting import serve  # noqa: E402
from bench.programs.short_weeks import short_week  # noqa: E402
from shared.clock import real_now  # noqa: E402
from shared.contracts.event import Actor  # noqa: E402
from shared.contracts.roles import SYSTEM  # noqa: E402
from shared.database import Origin  # noqa: E402
from shared.ids import new_id  # noqa: E402
from shared.messaging import Call, announce, question  # noqa: E402

#: Minutes that no column of integers holds.
TOO_MANY = 2**40


class Nothing(Schema):
    """No parameters."""


class Announcer:
    """Announces short weeks; what it says comes through the messaging of any service."""

    name = "scheduling"

    @question(Nothing)
    def nothing(self, db: Session, call: Call) -> dict[str, Any]:
        """Answer nothing: a service needs a way in."""
        return {}


def announce_some(host: Any, number: int, *, poison: bool = False) -> None:
    """Announce short weeks in one transaction.

    :param poison: whether no database takes their minutes.
    """
    origin = Origin(
        service=host.name,
        tenant_id="demo",
        actor=Actor(actor_id=host.name, role=SYSTEM),
        now=real_now(),
        correlation_id=new_id(),
    )
    with host.transaction(origin) as db:
        for _ in range(number):
            announce(db, short_week(attended_minutes=TOO_MANY) if poison else short_week())


def announce_all(host: Any, told: dict[str, Any]) -> dict[str, Any]:
    """Announce what was told, and say how long that took."""
    began = time.monotonic()
    number, per_second = told["number"], told.get("per_second")
    poison_at = set(told.get("poison_at", ()))
    pool = GreenPool(told.get("at_once", 8))
    if per_second:
        for place in range(number):
            eventlet.sleep(max(0.0, began + place / per_second - time.monotonic()))
            pool.spawn_n(announce_some, host, 1)
            if place in poison_at:
                pool.spawn_n(announce_some, host, 1, poison=True)
    else:
        size = told.get("per_transaction", 1)
        for left in range(number, 0, -size):
            pool.spawn_n(announce_some, host, min(size, left))
    pool.waitall()
    return {"seconds": time.monotonic() - began}


if __name__ == "__main__":
    serve(Announcer, announce_all)
