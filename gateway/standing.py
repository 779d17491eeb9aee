"""Is what the gateway knows of consents still so? Asked of intake before anything leaves the program.

The gateway decides by a copy that events feed, and events can be late: a queue is behind, the broker was
away. So a consent counts only while intake has said within the last half minute that it stands. Where
intake does not answer, nothing leaves: a revocation is heeded within that time whatever has failed.
"""

import time
from collections.abc import Iterable, Mapping

from gateway import tables
from gateway.asking import ask
from gateway.http import Request
from shared.contracts.event import Actor
from shared.contracts.roles import SYSTEM
from shared.messaging import CommandClient

#: How long intake's word counts. 42 CFR 2.31(a)(6) has no grace; brief R2 allows 60 seconds, of which half
#: is left for what is already being answered.
WORD_COUNTS_FOR_SECONDS = 30.0
#: Patients that are asked about at once: what intake's schema takes.
ASKED_AT_ONCE = 200
#: Patients about whom words are remembered; all are asked about anew beyond that. Design default.
MOST_REMEMBERED = 20_000

#: Who asks what only the gateway itself asks.
GATEWAY = Actor(actor_id="gateway", role=SYSTEM)

#: Classes that may leave under each consent.
Standing = Mapping[str, frozenset[str]]


class _Words:
    """What intake said about each patient, and since when that can be out of date."""

    def __init__(self) -> None:
        self._said: dict[tuple[str, str], tuple[float, dict[str, frozenset[str]]]] = {}

    def of(self, tenant_id: str, patient_id: str) -> dict[str, frozenset[str]] | None:
        """Return what was said about a patient, unless that was too long ago."""
        asked_at, said = self._said.get((tenant_id, patient_id), (float("-inf"), {}))
        return said if time.monotonic() - asked_at < WORD_COUNTS_FOR_SECONDS else None

    def keep(
        self, tenant_id: str, patient_id: str, said: dict[str, frozenset[str]], *, asked_at: float
    ) -> None:
        """Remember what was said about a patient who was asked about at a moment."""
        if len(self._said) >= MOST_REMEMBERED:
            self._said.clear()
        self._said[tenant_id, patient_id] = asked_at, said

    def forget(self) -> None:
        """Ask anew about everybody."""
        self._said.clear()


words = _Words()


def confirmed(
    commands: CommandClient,
    request: Request,
    *,
    recipient_id: str,
    patient_ids: Iterable[str] | None = None,
) -> Standing:
    """Return under which consents something may leave to a recipient now, and which classes.

    Of patients who have consented to nothing for the recipient nobody is asked.

    :param patient_ids: whom it is about; everybody who has consented when left out.
    :raises Unavailable: when intake does not answer: then nothing leaves.
    """
    caller = request.known_caller
    with request.transaction(reads_only=True) as (db, origin):
        concerned = tables.patients_who_consented(
            db, tenant_id=origin.tenant_id, recipient_id=recipient_id, patient_ids=patient_ids
        )
    standing: dict[str, frozenset[str]] = {}
    unknown = []
    for patient_id in concerned:
        said = words.of(caller.tenant_id, patient_id)
        if said is None:
            unknown.append(patient_id)
        else:
            standing |= said
    for begin in range(0, len(unknown), ASKED_AT_ONCE):
        standing |= _ask(commands, request, unknown[begin : begin + ASKED_AT_ONCE])
    return standing


def _ask(commands: CommandClient, request: Request, patient_ids: list[str]) -> dict[str, frozenset[str]]:
    tenant_id = request.known_caller.tenant_id
    asked_at = time.monotonic()
    items = ask(
        commands, request, "intake", "list_standing_consents", {"patient_ids": patient_ids}, by=GATEWAY
    )["items"]
    said: dict[str, dict[str, frozenset[str]]] = {patient_id: {} for patient_id in patient_ids}
    for item in items:
        said[item["patient_id"]][item["consent_id"]] = frozenset(item["information_classes"])
    for patient_id, standing in said.items():
        words.keep(tenant_id, patient_id, standing, asked_at=asked_at)
    return {consent_id: classes for one in said.values() for consent_id, classes in one.items()}
