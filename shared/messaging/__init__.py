"""How services talk: announce events, react to them, answer commands.

A developer of a service needs what is imported here and nothing else of this package. Who wants to know how
promises are kept follows a message: ``entrypoints`` are the ways into a service; ``commands`` come through
the gateway, each with an identity; what they announce is saved in the ``outbox`` with what caused it; a
``broker`` carries it; the ``inbox`` of each service that reacts sees that its effect happens once; ``timers``
fire later. ``hosting`` runs all that in a process, and ``oversight`` shows it to people.
"""

from shared.messaging.commands import STAFF, Call
from shared.messaging.entrypoints import command, question, reacts_to, reacts_to_every_event
from shared.messaging.hosting.door import door_closed_until
from shared.messaging.hosting.host import reactions_of, ways_in
from shared.messaging.hosting.traffic import CommandClient
from shared.messaging.inbox import envelope_reacted_to
from shared.messaging.outbox import announce, announce_all
from shared.messaging.timers import because_of

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
