"""Legal holds

Revision: 0017
Revises: 0016
"""

import sqlalchemy as sa
from alembic import op
revision = '0017'
down_revision = '0016'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('legal_holds',
    sa.Column('hold_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('tenant_id', sa.String(length=64), nullable=False),
    sa.Column('patient_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('placed_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('released_at', sa.DateTime(timezone=True), nullable=True),
    sa.PrimaryKeyConstraint('hold_id', name=op.f('pk_legal_holds'))
    )
    op.create_index('ix_legal_holds_on', 'legal_holds', ['patient_id'], unique=False, postgresql_where=sa.text('released_at IS NULL'))


def downgrade() -> None:
    op.drop_index('ix_legal_holds_on', table_name='legal_holds', postgresql_where=sa.text('released_at IS NULL'))
    op.drop_table('legal_holds')
