"""Rooms, waiting lists, absences and closures

Revision: 0006
Revises: 0005
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql
revision = '0006'
down_revision = '0005'
branch_labels = None
depends_on = None

_SESSION_KINDS = "kind IN ('GROUP', 'EDUCATION', 'INDIVIDUAL', 'FAMILY', 'SUPPORT')"
_MODES = "mode IN ('IN_PERSON', 'VIDEO', 'AUDIO')"
_REASONS = "reason IN ('FACILITATOR_ABSENT', 'CLOSURE', 'WEATHER', 'HOLIDAY', 'OTHER')"


def upgrade() -> None:
    op.create_table('rooms',
    sa.Column('room_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('tenant_id', sa.String(length=64), nullable=False),
    sa.Column('site_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('label', sa.String(length=80), nullable=False),
    sa.Column('places', sa.Integer(), nullable=False),
    sa.Column('added_at', sa.DateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('room_id', 'tenant_id', name=op.f('pk_rooms'))
    )
    op.create_index(op.f('ix_rooms_tenant_id_site_id'), 'rooms', ['tenant_id', 'site_id'], unique=False)
    op.create_table('closures',
    sa.Column('closure_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('tenant_id', sa.String(length=64), nullable=False),
    sa.Column('site_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('starts_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('ends_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('reason', sa.String(length=32), nullable=False),
    sa.Column('declared_at', sa.DateTime(timezone=True), nullable=False),
    sa.CheckConstraint(_REASONS, name=op.f('ck_closures_reason_code')),
    sa.CheckConstraint('starts_at < ends_at', name=op.f('ck_closures_starts_before_end')),
    sa.PrimaryKeyConstraint('closure_id', name=op.f('pk_closures'))
    )
    op.create_index(op.f('ix_closures_tenant_id_site_id_starts_at'), 'closures', ['tenant_id', 'site_id', 'starts_at'], unique=False)
    op.create_table('absences',
    sa.Column('absence_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('tenant_id', sa.String(length=64), nullable=False),
    sa.Column('clinician_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('site_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('starts_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('ends_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('reason', sa.String(length=16), nullable=False),
    sa.Column('recorded_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('stand_in_id', sa.Uuid(as_uuid=False), nullable=True),
    sa.CheckConstraint("reason IN ('SICK', 'LEAVE', 'TRAINING', 'OTHER')", name=op.f('ck_absences_reason_code')),
    sa.CheckConstraint('starts_at < ends_at', name=op.f('ck_absences_starts_before_end')),
    sa.PrimaryKeyConstraint('absence_id', name=op.f('pk_absences'))
    )
    op.create_index(op.f('ix_absences_tenant_id_site_id_ends_at'), 'absences', ['tenant_id', 'site_id', 'ends_at'], unique=False)
    op.create_table('waits',
    sa.Column('wait_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('tenant_id', sa.String(length=64), nullable=False),
    sa.Column('session_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('patient_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('episode_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('journey_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('joined_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('state', sa.String(length=16), nullable=False),
    sa.Column('offered_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('expires_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('settled_at', sa.DateTime(timezone=True), nullable=True),
    sa.CheckConstraint("state IN ('WAITING', 'OFFERED', 'TAKEN', 'EXPIRED', 'WITHDRAWN', 'SESSION_GONE')", name=op.f('ck_waits_state_code')),
    sa.ForeignKeyConstraint(['session_id'], ['sessions.session_id'], name=op.f('fk_waits_session_id')),
    sa.PrimaryKeyConstraint('wait_id', name=op.f('pk_waits'))
    )
    op.create_index('uq_waits_patient', 'waits', ['tenant_id', 'session_id', 'patient_id'], unique=True, postgresql_where=sa.text("state IN ('WAITING', 'OFFERED')"))
    op.create_index(op.f('ix_waits_tenant_id_episode_id'), 'waits', ['tenant_id', 'episode_id'], unique=False)

    op.add_column('clinicians', sa.Column('expiries_told', postgresql.JSONB(astext_type=sa.Text()), server_default='[]', nullable=False))
    op.add_column('clinicians', sa.Column('reassigning', postgresql.JSONB(astext_type=sa.Text()), server_default='[]', nullable=False))
    op.add_column('groups', sa.Column('enrolment', sa.String(length=8), server_default='OPEN', nullable=False))
    op.add_column('groups', sa.Column('mode', sa.String(length=16), server_default='IN_PERSON', nullable=False))
    op.create_check_constraint(op.f('ck_groups_enrolment_code'), 'groups', "enrolment IN ('OPEN', 'CLOSED')")
    op.create_check_constraint(op.f('ck_groups_mode_code'), 'groups', _MODES)
    op.drop_constraint(op.f('ck_groups_track_code'), 'groups')
    op.create_check_constraint(op.f('ck_groups_track_code'), 'groups', "track IN ('MORNING', 'AFTERNOON', 'EVENING', 'TELEHEALTH')")
    op.add_column('sessions', sa.Column('mode', sa.String(length=16), server_default='IN_PERSON', nullable=False))
    op.add_column('sessions', sa.Column('room_id', sa.Uuid(as_uuid=False), nullable=True))
    op.create_check_constraint(op.f('ck_sessions_mode_code'), 'sessions', _MODES)
    op.drop_constraint(op.f('ck_sessions_kind_code'), 'sessions')
    op.create_check_constraint(op.f('ck_sessions_kind_code'), 'sessions', _SESSION_KINDS)
    op.execute(
        "ALTER TABLE sessions ADD CONSTRAINT ex_sessions_room EXCLUDE USING gist ("
        "int8range(uuid_hash_extended(room_id, 0), uuid_hash_extended(room_id, 0), '[]') WITH &&, "
        "tstzrange(starts_at, ends_at) WITH &&) WHERE (state = 'PLANNED' AND room_id IS NOT NULL)"
    )
    op.add_column('seats', sa.Column('origin', sa.String(length=8), server_default='PLAN', nullable=False))
    op.add_column('seats', sa.Column('makes_up', sa.Uuid(as_uuid=False), nullable=True))
    op.add_column('seats', sa.Column('swapped_to', sa.Uuid(as_uuid=False), nullable=True))
    op.create_check_constraint(op.f('ck_seats_origin_code'), 'seats', "origin IN ('PLAN', 'BOOKED', 'SWAP', 'MAKE_UP')")


def downgrade() -> None:
    op.drop_constraint(op.f('ck_seats_origin_code'), 'seats')
    for column in ('swapped_to', 'makes_up', 'origin'):
        op.drop_column('seats', column)
    op.drop_constraint('ex_sessions_room', 'sessions')
    op.drop_constraint(op.f('ck_sessions_kind_code'), 'sessions')
    op.create_check_constraint(op.f('ck_sessions_kind_code'), 'sessions', "kind IN ('GROUP', 'EDUCATION', 'INDIVIDUAL')")
    for column in ('room_id', 'mode'):
        op.drop_column('sessions', column)
    op.drop_constraint(op.f('ck_groups_track_code'), 'groups')
    op.create_check_constraint(op.f('ck_groups_track_code'), 'groups', "track IN ('MORNING', 'AFTERNOON', 'EVENING')")
    for column in ('mode', 'enrolment'):
        op.drop_column('groups', column)
    op.drop_column('clinicians', 'reassigning')
    op.drop_column('clinicians', 'expiries_told')
    for table in ('waits', 'absences', 'closures', 'rooms'):
        op.drop_table(table)
