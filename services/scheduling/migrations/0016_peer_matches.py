"""Peer matches, and whether somebody wants one

Revision: 0016
Revises: 0015
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql
revision = '0016'
down_revision = '0015'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('patients', sa.Column('peers', sa.String(length=8), nullable=True))
    op.add_column('patients', sa.Column('peers_told_at', sa.DateTime(timezone=True), nullable=True))
    op.create_table('peer_matches',
    sa.Column('match_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('tenant_id', sa.String(length=64), nullable=False),
    sa.Column('site_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('newcomer_patient_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('newcomer_episode_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('newcomer_journey_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('guide_patient_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('guide_episode_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('guide_journey_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('newcomer_offer_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('guide_offer_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('reasons', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('proposed_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('due_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('state', sa.String(length=16), nullable=False),
    sa.Column('decided_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('decided_by', sa.String(length=64), nullable=True),
    sa.Column('decided_role', sa.String(length=32), nullable=True),
    sa.Column('decline_reason', sa.String(length=32), nullable=True),
    sa.Column('newcomer_answer', sa.String(length=8), nullable=True),
    sa.Column('guide_answer', sa.String(length=8), nullable=True),
    sa.Column('settled_at', sa.DateTime(timezone=True), nullable=True),
    sa.CheckConstraint("state IN ('PROPOSED', 'OFFERED', 'MATCHED', 'REJECTED', 'DECLINED', 'WITHDRAWN', 'ENDED')", name=op.f('ck_peer_matches_state_code')),
    sa.CheckConstraint("decline_reason IN ('SAFETY', 'KNOWN_CONFLICT', 'NOT_READY', 'OTHER')", name=op.f('ck_peer_matches_decline_reason_code')),
    sa.CheckConstraint("newcomer_answer IN ('YES', 'NO')", name=op.f('ck_peer_matches_newcomer_answer_code')),
    sa.CheckConstraint("guide_answer IN ('YES', 'NO')", name=op.f('ck_peer_matches_guide_answer_code')),
    sa.PrimaryKeyConstraint('match_id', name=op.f('pk_peer_matches')),
    sa.UniqueConstraint('guide_offer_id', name=op.f('uq_peer_matches_guide_offer_id')),
    sa.UniqueConstraint('newcomer_offer_id', name=op.f('uq_peer_matches_newcomer_offer_id'))
    )
    op.create_index(op.f('ix_peer_matches_tenant_id_site_id_proposed_at'), 'peer_matches', ['tenant_id', 'site_id', 'proposed_at'], unique=False)
    op.create_index('ix_peer_matches_guide', 'peer_matches', ['tenant_id', 'guide_episode_id'], unique=False)
    op.create_index('uq_peer_matches_newcomer', 'peer_matches', ['tenant_id', 'newcomer_episode_id'], unique=True, postgresql_where=sa.text("state IN ('PROPOSED', 'OFFERED', 'MATCHED')"))


def downgrade() -> None:
    op.drop_table('peer_matches')
    op.drop_column('patients', 'peers_told_at')
    op.drop_column('patients', 'peers')
