"""How consents end

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
    # Wider only: what an older copy writes goes on being allowed.
    op.drop_constraint(op.f('ck_consents_kind'), 'consents', type_='check')
    op.create_check_constraint(op.f('ck_consents_kind'), 'consents', "kind IN ('TREATMENT', 'TPO', 'FOLLOW_UP', 'FAMILY', 'EMPLOYER', 'ALUMNI', 'CRIMINAL_JUSTICE', 'COUNSELLING_NOTES', 'LEGAL_PROCEEDINGS')")
    op.add_column('consents', sa.Column('discloser', sa.String(length=40), server_default='THIS_PROGRAM', nullable=False))
    op.add_column('consents', sa.Column('discloser_name_sealed', sa.LargeBinary(), nullable=True))
    op.add_column('consents', sa.Column('signer_sealed', sa.LargeBinary(), nullable=True))
    op.add_column('consents', sa.Column('signing_authority', sa.String(length=40), nullable=True))
    op.add_column('consents', sa.Column('signature', sa.String(length=40), server_default='ELECTRONIC', nullable=False))
    op.add_column('consents', sa.Column('statements', postgresql.JSONB(astext_type=sa.Text()), server_default='[]', nullable=False))
    op.add_column('consents', sa.Column('ended_at', sa.DateTime(timezone=True), nullable=True))
    op.add_column('consents', sa.Column('end_reason', sa.String(length=40), nullable=True))


def downgrade() -> None:
    op.drop_constraint(op.f('ck_consents_kind'), 'consents', type_='check')
    op.create_check_constraint(op.f('ck_consents_kind'), 'consents', "kind IN ('TREATMENT', 'TPO', 'FOLLOW_UP', 'FAMILY', 'CRIMINAL_JUSTICE')")
    op.drop_column('consents', 'end_reason')
    op.drop_column('consents', 'ended_at')
    op.drop_column('consents', 'statements')
    op.drop_column('consents', 'signature')
    op.drop_column('consents', 'signing_authority')
    op.drop_column('consents', 'signer_sealed')
    op.drop_column('consents', 'discloser_name_sealed')
    op.drop_column('consents', 'discloser')
