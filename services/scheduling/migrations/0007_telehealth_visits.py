"""Telehealth visits

Revision: 0007
Revises: 0006
"""

import sqlalchemy as sa
from alembic import op
revision = '0007'
down_revision = '0006'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('telehealth_visits',
    sa.Column('seat_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('tenant_id', sa.String(length=64), nullable=False),
    sa.Column('session_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('state', sa.String(length=2), nullable=False),
    sa.Column('place', sa.String(length=16), nullable=False),
    sa.Column('privacy_attested', sa.Boolean(), nullable=False),
    sa.Column('told_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('call_back_sealed', sa.LargeBinary(), nullable=True),
    sa.Column('whereabouts_sealed', sa.LargeBinary(), nullable=True),
    sa.CheckConstraint("place IN ('HOME', 'OTHER')", name=op.f('ck_telehealth_visits_place_code')),
    sa.ForeignKeyConstraint(['seat_id'], ['seats.seat_id'], name=op.f('fk_telehealth_visits_seat_id')),
    sa.PrimaryKeyConstraint('seat_id', name=op.f('pk_telehealth_visits'))
    )


def downgrade() -> None:
    op.drop_table('telehealth_visits')
