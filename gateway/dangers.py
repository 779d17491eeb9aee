"""A danger told straight to monitoring, while monitoring is away: the gateway hears it.

It announces the danger itself, in its own transaction. So it waits for monitoring in the outbox, and the
watch over dangers pages by the gateway's own path where monitoring stays away. The command's id stands
for what was told: the same request that does reach monitoring later tells it nothing new.
"""

from typing import Any

import structlog
from sqlalchemy.orm import Session

from gateway import forwarding, repeats, tables
from gateway.http import Request, Response
from gateway.problems import CRISIS_LINES
from services.monitoring import schemas as monitoring
from shared.contracts import roles
from shared.contracts.common import SafetyConcernRaised
from shared.contracts.dangers import concerns_of
from shared.database import Origin
from shared.errors import Unavailable
from shared.ids import derived_id
from shared.messaging import STAFF, CommandClient, announce
from shared.messaging.traffic import CommandFailed

log = structlog.get_logger()

#: What is said of a concern that the gateway heard in monitoring's place.
PASSED_ON = "This was passed on, and the staff on duty are asked. In danger of life call 911 or 988 now."
#: What is said of a check-in of which only the danger was heard.
NOT_KEPT = (
    "That you may be in danger was passed on, and the staff on duty are asked. The check-in itself was not"
    " kept: send it again later. In danger of life call 911 or 988 now."
)


def pass_concern_on(commands: CommandClient, request: Request) -> Response:
    """Have monitoring take a safety concern, or take it here while monitoring is away.

    :raises Refusal: monitoring's refusal, or the gateway's own.
    """
    try:
        return forwarding.forward(commands, request)
    except (Unavailable, CommandFailed):
        caller = request.known_caller
        if caller.actor.role not in (*STAFF, roles.PATIENT, roles.PARTNER):
            raise
        told = forwarding.loaded(monitoring.RaiseSafetyConcern, forwarding.data_of(request))
        if caller.is_patient and told["patient_id"] != caller.actor.actor_id:
            raise forwarding.nothing_there() from None
        return _hear(
            request,
            patient_id=told["patient_id"],
            episode_id=told["episode_id"],
            concerns=[(told["concern"], told["level"])],
            notice=PASSED_ON,
        )


def pass_check_in_on(commands: CommandClient, request: Request) -> Response:
    """Have monitoring keep a check-in, or hear the danger in its answers while monitoring is away.

    :raises Refusal: monitoring's refusal, or the gateway's own; also when there is no danger in it, or
        nobody here knows whose episode it is.
    """
    try:
        return forwarding.forward(commands, request)
    except (Unavailable, CommandFailed):
        caller = request.known_caller
        if caller.actor.role not in (*roles.CARE_TEAM, roles.FRONT_DESK, roles.PATIENT):
            raise
        told = forwarding.loaded(monitoring.SubmitCheckIn, forwarding.data_of(request))
        concerns = concerns_of(danger=told["danger"], used=told["used"], substance=told["substance"])
        episode_id = told["episode_id"]
        with request.transaction(reads_only=True) as (db, origin):
            patient_id = tables.patient_of_episode(db, tenant_id=origin.tenant_id, episode_id=episode_id)
        if caller.is_patient and patient_id != caller.actor.actor_id:
            # Whoever says so of themselves is heard, whatever episode they name.
            patient_id, episode_id = caller.actor.actor_id, None
        if not concerns or patient_id is None:
            raise
        return _hear(
            request, patient_id=patient_id, episode_id=episode_id, concerns=concerns, notice=NOT_KEPT
        )


def _hear(
    request: Request,
    *,
    patient_id: str,
    episode_id: str | None,
    concerns: list[tuple[str, str]],
    notice: str,
) -> Response:
    log.warning("danger_heard_for_monitoring", route=request.name, request_id=request.correlation_id)
    outside = request.known_caller.is_outside

    def hear(db: Session, origin: Origin) -> dict[str, Any]:
        for concern, level in concerns:
            announce(
                db,
                SafetyConcernRaised(
                    concern_id=derived_id(request.command_id, "concern", concern),
                    patient_id=patient_id,
                    concern=concern,
                    level=level,
                    evidence_id=request.command_id,
                    raised_at=origin.now,
                    episode_id=episode_id,
                ),
            )
        # Nobody outside learns from a number at which site somebody is treated.
        line = tables.emergency_line_of(
            db, tenant_id=origin.tenant_id, episode_id=None if outside else episode_id
        )
        own = {"program_emergency_line": line} if line else {}
        return {**forwarding.NEUTRAL_ANSWER, "notice": notice, "crisis_lines": own | CRISIS_LINES}

    return repeats.once(request, hear, status=202)
