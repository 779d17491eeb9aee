"""The ways into a service: decorators for the methods of its one class.

They are nameko entry points. What arrives for them is carried by :class:`Traffic`; how one is
carried out, with its transaction, is in ``commands``, ``inbox`` and ``timers``.
"""

from collections.abc import Callable
from typing import Any, ClassVar

from marshmallow import Schema
from nameko.extensions import Entrypoint
from sqlalchemy.orm import Session

from shared.contracts.event import Event
from shared.messaging.commands import STAFF, Call
from shared.messaging.hosting.traffic import Traffic


class Command(Entrypoint):
    """Wakes a method with the signature ``(self, db, call) -> dict``, in an open transaction.

    :param schema: what the request must look like.
    :param roles: who may ask.
    :param long: whether the work is too long for a deadline: it is answered with a job.
    :param first: what long work refuses before it is accepted, with the signature ``(db, call)``; the
        rest is refused by its job.
    """

    traffic = Traffic()
    reads_only: ClassVar[bool] = False

    def __init__(
        self,
        schema: type[Schema],
        *,
        roles: tuple[str, ...] = STAFF,
        long: bool = False,
        first: Callable[[Session, Call], object] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.schema = schema
        self.roles = roles
        self.long = long
        #: Whether what it leaves to do is what it announces and the timers that it sets.
        self.by_the_book = not long
        self.first = first


class Question(Command):
    """Wakes a method with the signature ``(self, db, call) -> dict`` that only reads."""

    reads_only: ClassVar[bool] = True


class ReactsTo(Entrypoint):
    """Wakes a method with the signature ``(self, db, event, now) -> None``, once for each event.

    :param at_once: whether the method takes all events of the kind that came in one batch: it is given a
        list, and says :func:`because_of` for the one that it is about. Where it fails, it is run for
        fewer of them, in the end for each alone, with a list of one.
    """

    traffic = Traffic()

    def __init__(self, event: type[Event], *, at_once: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.event = event
        self.at_once = at_once


class ReactsToEveryEvent(Entrypoint):
    """Wakes a method with the signature ``(self, db, envelopes) -> None``, with a batch.

    The method keeps out doubles by itself.
    """

    traffic = Traffic()


command = Command.decorator
question = Question.decorator
reacts_to = ReactsTo.decorator
reacts_to_every_event = ReactsToEveryEvent.decorator
