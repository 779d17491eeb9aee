"""The waiting list for admission

Revision: 0009
Revises: 0008
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql
revision = '0009'
down_revision = '0008'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('admission_seats',
    sa.Column('seat_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('tenant_id', sa.String(length=64), nullable=False),
    sa.Column('site_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('freed_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('state', sa.String(length=40), nullable=False),
    sa.Column('wait_id', sa.Uuid(as_uuid=False), nullable=True),
    sa.CheckConstraint("state IN ('FREE', 'OFFERED', 'PROMISED', 'TAKEN')", name=op.f('ck_admission_seats_state')),
    sa.PrimaryKeyConstraint('seat_id', name=op.f('pk_admission_seats'))
    )
    op.create_index('ix_admission_seats_free', 'admission_seats', ['tenant_id', 'site_id', 'freed_at'], unique=False, postgresql_where=sa.text("state = 'FREE'"))
    op.create_table('admission_waits',
    sa.Column('wait_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('tenant_id', sa.String(length=64), nullable=False),
    sa.Column('episode_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('patient_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('journey_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('site_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('pregnant', sa.Boolean(), nullable=False),
    sa.Column('injecting', sa.Boolean(), nullable=False),
    sa.Column('asked_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('joined_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('state', sa.String(length=40), nullable=False),
    sa.Column('seat_id', sa.Uuid(as_uuid=False), nullable=True),
    sa.Column('offer_expires_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('offers', sa.SmallInteger(), nullable=False),
    sa.Column('passed', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('interim_services', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('interim_completed_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('extended', sa.Boolean(), nullable=False),
    sa.Column('ended_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('reason', sa.String(length=40), nullable=True),
    sa.Column('ended_by', sa.String(length=64), nullable=True),
    sa.Column('ended_by_role', sa.String(length=32), nullable=True),
    sa.CheckConstraint("reason IN ('REFUSES_TREATMENT', 'CANNOT_BE_LOCATED', 'ADMITTED_ELSEWHERE', 'REFERRED_ELSEWHERE', 'NO_LONGER_NEEDED', 'DIED')", name=op.f('ck_admission_waits_reason')),
    sa.CheckConstraint("state IN ('WAITING', 'OFFERED', 'ACCEPTED', 'ADMITTED', 'REMOVED')", name=op.f('ck_admission_waits_state')),
    sa.ForeignKeyConstraint(['episode_id'], ['episodes.episode_id'], name=op.f('fk_admission_waits_episode_id'), initially='DEFERRED', deferrable=True),
    sa.PrimaryKeyConstraint('wait_id', name=op.f('pk_admission_waits'))
    )
    op.create_index('ix_admission_waits_tenant_site', 'admission_waits', ['tenant_id', 'site_id'], unique=False, postgresql_where=sa.text("state IN ('WAITING', 'OFFERED', 'ACCEPTED')"))
    op.create_index('uq_admission_waits_one_open', 'admission_waits', ['tenant_id', 'episode_id'], unique=True, postgresql_where=sa.text("state IN ('WAITING', 'OFFERED', 'ACCEPTED')"))
    op.create_index('uq_admission_waits_seat', 'admission_waits', ['tenant_id', 'seat_id'], unique=True, postgresql_where=sa.text('seat_id IS NOT NULL'))


def downgrade() -> None:
    op.drop_index('uq_admission_waits_seat', table_name='admission_waits')
    op.drop_index('uq_admission_waits_one_open', table_name='admission_waits')
    op.drop_index('ix_admission_waits_tenant_site', table_name='admission_waits')
    op.drop_table('admission_waits')
    op.drop_index('ix_admission_seats_free', table_name='admission_seats')
    op.drop_table('admission_seats')
