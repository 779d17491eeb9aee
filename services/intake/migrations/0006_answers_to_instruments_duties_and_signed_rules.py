"""Answers to instruments, duties and signed rules

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


def upgrade() -> None:
    op.create_table('duties',
    sa.Column('shift_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('tenant_id', sa.String(length=64), nullable=False),
    sa.Column('starts_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('ends_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('withdrawn_at', sa.DateTime(timezone=True), nullable=True),
    sa.PrimaryKeyConstraint('shift_id', name=op.f('pk_duties'))
    )
    op.create_index('ix_duties_tenant_end', 'duties', ['tenant_id', 'ends_at'], unique=False)
    op.create_table('rule_signatures',
    sa.Column('signature_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('tenant_id', sa.String(length=64), nullable=False),
    sa.Column('pack', sa.String(length=40), nullable=False),
    sa.Column('version', sa.SmallInteger(), nullable=False),
    sa.Column('digest', sa.String(length=64), nullable=False),
    sa.Column('signed_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('signed_by', sa.String(length=64), nullable=False),
    sa.Column('signed_by_role', sa.String(length=32), nullable=False),
    sa.Column('signed_by_credential', sa.String(length=16), nullable=False),
    sa.PrimaryKeyConstraint('signature_id', name=op.f('pk_rule_signatures')),
    sa.UniqueConstraint('tenant_id', 'pack', 'version', 'digest', name=op.f('uq_rule_signatures_tenant_id_pack_version_digest'))
    )
    op.create_table('instrument_answers',
    sa.Column('answers_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('tenant_id', sa.String(length=64), nullable=False),
    sa.Column('patient_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('episode_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('journey_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('instrument', sa.String(length=40), nullable=False),
    sa.Column('version', sa.SmallInteger(), nullable=False),
    sa.Column('place', sa.String(length=40), nullable=True),
    sa.Column('rated_by', sa.String(length=40), nullable=False),
    sa.Column('mode', sa.String(length=40), nullable=False),
    sa.Column('sex', sa.String(length=40), nullable=False),
    sa.Column('age', sa.SmallInteger(), nullable=False),
    sa.Column('answers', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('given_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('recorded_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('recorded_by', sa.String(length=64), nullable=False),
    sa.Column('recorded_by_role', sa.String(length=32), nullable=False),
    sa.Column('recorded_by_credential', sa.String(length=16), nullable=False),
    sa.CheckConstraint("mode IN ('IN_PERSON', 'REMOTE')", name=op.f('ck_instrument_answers_mode')),
    sa.CheckConstraint("place IN ('INTAKE', 'TREATMENT', 'FOLLOW_UP')", name=op.f('ck_instrument_answers_place')),
    sa.CheckConstraint("rated_by IN ('OBSERVER', 'SELF')", name=op.f('ck_instrument_answers_rated_by')),
    sa.ForeignKeyConstraint(['episode_id'], ['episodes.episode_id'], name=op.f('fk_instrument_answers_episode_id_episodes'), initially='DEFERRED', deferrable=True),
    sa.ForeignKeyConstraint(['patient_id'], ['patients.patient_id'], name=op.f('fk_instrument_answers_patient_id_patients'), initially='DEFERRED', deferrable=True),
    sa.PrimaryKeyConstraint('answers_id', name=op.f('pk_instrument_answers'))
    )
    op.create_index('ix_instrument_answers_tenant_patient', 'instrument_answers', ['tenant_id', 'patient_id', 'given_at'], unique=False)


def downgrade() -> None:
    op.drop_index('ix_instrument_answers_tenant_patient', table_name='instrument_answers')
    op.drop_table('instrument_answers')
    op.drop_table('rule_signatures')
    op.drop_index('ix_duties_tenant_end', table_name='duties')
    op.drop_table('duties')
