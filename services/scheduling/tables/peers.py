"""Matches of peers, and the named queries about who could be one."""

import sqlalchemy as sa
from sqlalchemy import Column, Index, Table
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session

from services.scheduling.domain import peers, records
from services.scheduling.domain.asked import Asked
from services.scheduling.tables.base import mapper, metadata, one_of
from shared.contracts.scheduling import PEER_ANSWERS, PEER_DECLINE_REASONS, PEER_STATES
from shared.database import id_column, moment, reference, tenant_column, written_once
from shared.records import PARTIES

peer_matches = Table(
    "peer_matches",
    metadata,
    id_column("match_id"),
    tenant_column(),
    reference("site_id"),
    reference("newcomer_patient_id"),
    reference("newcomer_episode_id"),
    reference("newcomer_journey_id"),
    reference("guide_patient_id"),
    reference("guide_episode_id"),
    reference("guide_journey_id"),
    reference("newcomer_offer_id", unique=True),
    reference("guide_offer_id", unique=True),
    Column("reasons", JSONB, nullable=False),
    Column("proposed_at", moment(), nullable=False),
    Column("due_at", moment(), nullable=False),
    Column("state", sa.String(16), nullable=False),
    Column("decided_at", moment()),
    Column("decided_by", sa.String(64)),
    Column("decided_role", sa.String(32)),
    Column("decline_reason", sa.String(32)),
    Column("newcomer_answer", sa.String(8)),
    Column("guide_answer", sa.String(8)),
    Column("settled_at", moment()),
    one_of("state", PEER_STATES),
    one_of("decline_reason", PEER_DECLINE_REASONS),
    one_of("newcomer_answer", PEER_ANSWERS),
    one_of("guide_answer", PEER_ANSWERS),
    Index(None, "tenant_id", "site_id", "proposed_at"),
    Index("ix_peer_matches_guide", "tenant_id", "guide_episode_id"),
    # Nobody is matched twice at a time.
    Index(
        "uq_peer_matches_newcomer",
        "tenant_id",
        "newcomer_episode_id",
        unique=True,
        postgresql_where=sa.text("state IN ('PROPOSED', 'OFFERED', 'MATCHED')"),
    ),
    info={PARTIES: ("newcomer", "guide")},
)

mapper.map_imperatively(peers.Match, peer_matches)


_MATCHES = written_once(
    sa.select(peers.Match)
    .where(
        sa.or_(
            peers.Match.newcomer_episode_id == sa.bindparam("of_episode"),
            peers.Match.guide_episode_id == sa.bindparam("of_episode"),
        )
    )
    .order_by(peers.Match.proposed_at, peers.Match.match_id)
    .execution_options(populate_existing=True)
)


def matches_of(db: Session, *, episode_id: str) -> list[peers.Match]:
    """Return the matches in which somebody takes part, the first proposed first."""
    return list(db.scalars(_MATCHES, {"of_episode": episode_id}))


def matches_of_patient(db: Session, *, patient_id: str) -> list[peers.Match]:
    """Return the matches of a patient in all episodes, the first proposed first."""
    return list(
        db.scalars(
            sa.select(peers.Match)
            .where(
                sa.or_(
                    peers.Match.newcomer_patient_id == patient_id, peers.Match.guide_patient_id == patient_id
                )
            )
            .order_by(peers.Match.proposed_at, peers.Match.match_id)
        )
    )


def matches_of_site(db: Session, *, site_id: str) -> list[peers.Match]:
    """Return the matches of a site, the last proposed first."""
    return list(
        db.scalars(
            sa.select(peers.Match)
            .where(peers.Match.site_id == site_id)
            .order_by(peers.Match.proposed_at.desc(), peers.Match.match_id)
        )
    )


def match_of_offer(db: Session, *, offer_id: str) -> peers.Match | None:
    """Return the match that somebody is told of under an offer's id, if there is one."""
    return db.scalar(
        sa.select(peers.Match).where(
            sa.or_(peers.Match.newcomer_offer_id == offer_id, peers.Match.guide_offer_id == offer_id)
        )
    )


_ASKED = written_once(
    sa.select(Asked)
    .where(Asked.episode_id == sa.bindparam("of_episode"), Asked.task == sa.bindparam("of_task"))
    .order_by(Asked.task_id)
    .with_for_update()
)


def asked_of_episode(db: Session, *, episode_id: str, task: str) -> list[Asked]:
    """Return what was asked about an episode by the name of the task, closed or not."""
    return list(db.scalars(_ASKED, {"of_episode": episode_id, "of_task": task}))


def episodes_without_peer(db: Session, *, site_id: str, task: str, at_most: int) -> list[records.Episode]:
    """Return the episodes of a site for which an open task asks for a peer, the first admitted first."""
    return list(
        db.scalars(
            sa.select(records.Episode)
            .join(Asked, Asked.episode_id == records.Episode.episode_id)
            .where(Asked.task == task, Asked.closed_at.is_(None), records.Episode.site_id == site_id)
            .order_by(records.Episode.admitted_at, records.Episode.episode_id)
            .limit(at_most)
        )
    )
