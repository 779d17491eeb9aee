"""The day at the clinic, notes and feedback

Revision: 0005
Revises: 0004
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql
revision = '0005'
down_revision = '0004'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('seats', sa.Column('checked_out_at', sa.DateTime(timezone=True), nullable=True))
    op.add_column('seats', sa.Column('check_out_answer', sa.String(length=16), nullable=True))
    op.add_column('seats', sa.Column('check_out_asked', sa.Boolean(), server_default='false', nullable=False))
    op.add_column('seats', sa.Column('walked_in', sa.Boolean(), server_default='false', nullable=False))
    op.add_column('sessions', sa.Column('note_due_at', sa.DateTime(timezone=True), nullable=True))
    op.add_column('sessions', sa.Column('noted_at', sa.DateTime(timezone=True), nullable=True))
    op.add_column('sessions', sa.Column('note_asked', sa.Boolean(), server_default='false', nullable=False))
    op.add_column('sites', sa.Column('emergency_line', sa.String(length=64), nullable=True))
    op.create_index('ix_seats_patient', 'seats', ['tenant_id', 'patient_id', 'starts_at'], unique=False)
    op.create_index('ix_sessions_facilitator', 'sessions', ['tenant_id', 'facilitator_id', 'starts_at'], unique=False)
    op.create_index('ix_sessions_unnoted', 'sessions', ['tenant_id', 'note_due_at'], unique=False, postgresql_where=sa.text('note_due_at IS NOT NULL'))
    op.create_table('asked',
    sa.Column('task_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('tenant_id', sa.String(length=64), nullable=False),
    sa.Column('task', sa.String(length=32), nullable=False),
    sa.Column('about_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('patient_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('episode_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('journey_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('closed_at', sa.DateTime(timezone=True), nullable=True),
    sa.PrimaryKeyConstraint('task_id', name=op.f('pk_asked'))
    )
    op.create_table('feedback',
    sa.Column('seat_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('tenant_id', sa.String(length=64), nullable=False),
    sa.Column('session_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('patient_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('episode_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('journey_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('starts_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('rating', sa.SmallInteger(), nullable=False),
    sa.Column('given_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('reason_sealed', sa.LargeBinary(), nullable=True),
    sa.CheckConstraint('rating BETWEEN 0 AND 10', name=op.f('ck_feedback_rating_range')),
    sa.ForeignKeyConstraint(['seat_id'], ['seats.seat_id'], name=op.f('fk_feedback_seat_id')),
    sa.PrimaryKeyConstraint('seat_id', name=op.f('pk_feedback'))
    )
    op.create_index(op.f('ix_feedback_tenant_id_episode_id_starts_at'), 'feedback', ['tenant_id', 'episode_id', 'starts_at'], unique=False)
    op.create_table('session_notes',
    sa.Column('note_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('tenant_id', sa.String(length=64), nullable=False),
    sa.Column('session_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('seat_id', sa.Uuid(as_uuid=False), nullable=True),
    sa.Column('patient_id', sa.Uuid(as_uuid=False), nullable=True),
    sa.Column('author_id', sa.String(length=64), nullable=False),
    sa.Column('author_role', sa.String(length=32), nullable=False),
    sa.Column('written_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('due_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('state', sa.String(length=24), nullable=False),
    sa.Column('signed_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('signed_credential', sa.String(length=16), nullable=True),
    sa.Column('cosigned_by', sa.String(length=64), nullable=True),
    sa.Column('cosigned_role', sa.String(length=32), nullable=True),
    sa.Column('cosigned_credential', sa.String(length=16), nullable=True),
    sa.Column('cosigned_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('text_sealed', sa.LargeBinary(), nullable=True),
    sa.CheckConstraint("state IN ('DRAFT', 'AWAITS_COSIGNATURE', 'SIGNED')", name=op.f('ck_session_notes_state_code')),
    sa.ForeignKeyConstraint(['session_id'], ['sessions.session_id'], name=op.f('fk_session_notes_session_id')),
    sa.PrimaryKeyConstraint('note_id', name=op.f('pk_session_notes'))
    )
    op.create_index('uq_session_notes_seat', 'session_notes', ['session_id', 'seat_id'], unique=True)
    op.create_index('uq_session_notes_session', 'session_notes', ['session_id'], unique=True, postgresql_where=sa.text('seat_id IS NULL'))
    op.create_table('note_addenda',
    sa.Column('addendum_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('tenant_id', sa.String(length=64), nullable=False),
    sa.Column('note_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('author_id', sa.String(length=64), nullable=False),
    sa.Column('author_role', sa.String(length=32), nullable=False),
    sa.Column('author_credential', sa.String(length=16), nullable=False),
    sa.Column('added_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('text_sealed', sa.LargeBinary(), nullable=True),
    sa.ForeignKeyConstraint(['note_id'], ['session_notes.note_id'], name=op.f('fk_note_addenda_note_id')),
    sa.PrimaryKeyConstraint('addendum_id', name=op.f('pk_note_addenda'))
    )
    op.create_index(op.f('ix_note_addenda_note_id_added_at'), 'note_addenda', ['note_id', 'added_at'], unique=False)
    op.create_table('service_days',
    sa.Column('delivery_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('tenant_id', sa.String(length=64), nullable=False),
    sa.Column('patient_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('episode_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('journey_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('site_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('served_on', sa.Date(), nullable=False),
    sa.Column('kinds', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('minutes', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('revision', sa.Integer(), nullable=False),
    sa.PrimaryKeyConstraint('delivery_id', name=op.f('pk_service_days'))
    )
    op.create_index(op.f('ix_service_days_tenant_id_episode_id_served_on'), 'service_days', ['tenant_id', 'episode_id', 'served_on'], unique=False)


def downgrade() -> None:
    op.drop_index(op.f('ix_service_days_tenant_id_episode_id_served_on'), table_name='service_days')
    op.drop_table('service_days')
    op.drop_index(op.f('ix_note_addenda_note_id_added_at'), table_name='note_addenda')
    op.drop_table('note_addenda')
    op.drop_index('uq_session_notes_session', table_name='session_notes', postgresql_where=sa.text('seat_id IS NULL'))
    op.drop_index('uq_session_notes_seat', table_name='session_notes')
    op.drop_table('session_notes')
    op.drop_index(op.f('ix_feedback_tenant_id_episode_id_starts_at'), table_name='feedback')
    op.drop_table('feedback')
    op.drop_table('asked')
    op.drop_index('ix_sessions_unnoted', table_name='sessions', postgresql_where=sa.text('note_due_at IS NOT NULL'))
    op.drop_index('ix_sessions_facilitator', table_name='sessions')
    op.drop_index('ix_seats_patient', table_name='seats')
    op.drop_column('sites', 'emergency_line')
    op.drop_column('sessions', 'note_asked')
    op.drop_column('sessions', 'noted_at')
    op.drop_column('sessions', 'note_due_at')
    op.drop_column('seats', 'walked_in')
    op.drop_column('seats', 'check_out_asked')
    op.drop_column('seats', 'check_out_answer')
    op.drop_column('seats', 'checked_out_at')
