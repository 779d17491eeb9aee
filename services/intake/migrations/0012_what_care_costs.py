"""What care costs: prices, estimates, the sliding fee, and whoever pays themself

Revision: 0012
Revises: 0011
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql
revision = '0012'
down_revision = '0011'
branch_labels = None
depends_on = None

_LEVELS = "level IN ('0.5', '1', '2.1', '2.5', '3.1', '3.3', '3.5', '3.7', '4')"
_PROOFS = "proof IN ('PAY_STUBS', 'TAX_RETURN', 'BENEFIT_LETTER', 'SELF_DECLARED')"
_REASONS = "reason IN ('UNINSURED', 'NOT_USING_COVER', 'COVER_INACTIVE')"


def upgrade() -> None:
    op.create_table('rates',
    sa.Column('rate_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('tenant_id', sa.String(length=64), nullable=False),
    sa.Column('site_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('payer', sa.String(length=64), nullable=False),
    sa.Column('level', sa.String(length=40), nullable=False),
    sa.Column('amount', sa.Integer(), nullable=False),
    sa.Column('effective_on', sa.Date(), nullable=False),
    sa.Column('recorded_by', sa.String(length=64), nullable=False),
    sa.Column('recorded_by_role', sa.String(length=32), nullable=False),
    sa.Column('recorded_at', sa.DateTime(timezone=True), nullable=False),
    sa.CheckConstraint(_LEVELS, name=op.f('ck_rates_level')),
    sa.CheckConstraint('amount > 0', name=op.f('ck_rates_amount')),
    sa.PrimaryKeyConstraint('rate_id', name=op.f('pk_rates'))
    )
    op.create_index('ix_rates_tenant_site', 'rates', ['tenant_id', 'site_id', 'payer'], unique=False)
    op.create_table('cost_estimates',
    sa.Column('estimate_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('tenant_id', sa.String(length=64), nullable=False),
    sa.Column('patient_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('episode_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('journey_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('payer', sa.String(length=64), nullable=False),
    sa.Column('coverage_id', sa.Uuid(as_uuid=False), nullable=True),
    sa.Column('level', sa.String(length=40), nullable=False),
    sa.Column('units', sa.Integer(), nullable=False),
    sa.Column('amount', sa.Integer(), nullable=False),
    sa.Column('total', sa.BigInteger(), nullable=False),
    sa.Column('person_pays_least', sa.BigInteger(), nullable=False),
    sa.Column('person_pays_most', sa.BigInteger(), nullable=False),
    sa.Column('assumptions', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('good_faith', sa.Boolean(), nullable=False),
    sa.Column('made_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('made_by', sa.String(length=64), nullable=False),
    sa.Column('made_by_role', sa.String(length=32), nullable=False),
    sa.CheckConstraint('person_pays_least <= person_pays_most', name=op.f('ck_cost_estimates_least_and_most')),
    sa.ForeignKeyConstraint(['episode_id'], ['episodes.episode_id'], name=op.f('fk_cost_estimates_episode_id'), initially='DEFERRED', deferrable=True),
    sa.PrimaryKeyConstraint('estimate_id', name=op.f('pk_cost_estimates'))
    )
    op.create_index('ix_cost_estimates_tenant_episode', 'cost_estimates', ['tenant_id', 'episode_id'], unique=False)
    op.create_table('fee_assessments',
    sa.Column('fee_assessment_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('tenant_id', sa.String(length=64), nullable=False),
    sa.Column('patient_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('episode_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('journey_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('household_size', sa.SmallInteger(), nullable=False),
    sa.Column('yearly_income_sealed', sa.LargeBinary(), nullable=False),
    sa.Column('proof', sa.String(length=40), nullable=False),
    sa.Column('state', sa.String(length=2), nullable=True),
    sa.Column('percent_of_guideline', sa.Integer(), nullable=False),
    sa.Column('pays_percent', sa.SmallInteger(), nullable=False),
    sa.Column('pack_version', sa.SmallInteger(), nullable=False),
    sa.Column('guidelines_year', sa.SmallInteger(), nullable=False),
    sa.Column('assessed_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('ends_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('assessed_by', sa.String(length=64), nullable=False),
    sa.Column('assessed_by_role', sa.String(length=32), nullable=False),
    sa.CheckConstraint(_PROOFS, name=op.f('ck_fee_assessments_proof')),
    sa.CheckConstraint('pays_percent BETWEEN 0 AND 100', name=op.f('ck_fee_assessments_pays_percent')),
    sa.ForeignKeyConstraint(['episode_id'], ['episodes.episode_id'], name=op.f('fk_fee_assessments_episode_id'), initially='DEFERRED', deferrable=True),
    sa.PrimaryKeyConstraint('fee_assessment_id', name=op.f('pk_fee_assessments'))
    )
    op.create_index('ix_fee_assessments_tenant_patient', 'fee_assessments', ['tenant_id', 'patient_id'], unique=False)
    op.create_table('self_pays',
    sa.Column('episode_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('tenant_id', sa.String(length=64), nullable=False),
    sa.Column('patient_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('journey_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('site_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('scheduled_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('first_session_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('days_a_week', sa.SmallInteger(), nullable=True),
    sa.Column('days_agreed_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('declared_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('reason', sa.String(length=40), nullable=True),
    sa.Column('requested_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('due_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('estimate_id', sa.Uuid(as_uuid=False), nullable=True),
    sa.Column('estimated_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('estimated_total', sa.BigInteger(), nullable=True),
    sa.Column('estimated_day', sa.Integer(), nullable=True),
    sa.CheckConstraint(_REASONS, name=op.f('ck_self_pays_reason')),
    sa.ForeignKeyConstraint(['episode_id'], ['episodes.episode_id'], name=op.f('fk_self_pays_episode_id'), initially='DEFERRED', deferrable=True),
    sa.PrimaryKeyConstraint('episode_id', name=op.f('pk_self_pays'))
    )
    op.create_table('site_holidays',
    sa.Column('tenant_id', sa.String(length=64), nullable=False),
    sa.Column('closure_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('site_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('closed_from', sa.DateTime(timezone=True), nullable=False),
    sa.Column('closed_until', sa.DateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('tenant_id', 'closure_id', name=op.f('pk_site_holidays'))
    )
    op.create_index('ix_site_holidays_site', 'site_holidays', ['tenant_id', 'site_id', 'closed_until'], unique=False)


def downgrade() -> None:
    for table in ('site_holidays', 'self_pays', 'fee_assessments', 'cost_estimates', 'rates'):
        op.drop_table(table)
