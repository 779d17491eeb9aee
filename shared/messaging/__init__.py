"""How services talk: announce events, react to them, answer commands.

A developer of a service needs what is imported here and nothing else of this package.
"""

from shared.messaging.commands import STAFF, Call
from shared.messaging.door import door_closed_until
from shared.messaging.entrypoints import command, question, reacts_to, reacts_to_every_event
from shared.messaging.host import reactions_of, ways_in
from shared.messaging.inbox import envelope_reacted_to
from shared.messaging.outbox import announce, announce_all
from shared.messaging.timers import because_of
from shared.messaging.traffic import CommandClient

__all__ = [
    "STAFF",
    "Call",
    "CommandClient",
    "announce",
    "announce_all",
    "because_of",
    "command",
    "door_closed_until",
    "envelope_reacted_to",
    "question",
    "reactions_of",
    "reacts_to",
    "reacts_to_every_event",
    "ways_in",
]
