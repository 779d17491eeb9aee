"""Why a block is short

Revision: 0028
Revises: 0027
"""

import sqlalchemy as sa
from alembic import op
revision = '0028'
down_revision = '0027'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('groups', sa.Column('block_reason', sa.String(length=32), nullable=True))
    op.add_column('groups', sa.Column('block_reason_asked', sa.Boolean(), server_default='false', nullable=False))
    op.create_check_constraint(op.f('ck_groups_block_reason_code'), 'groups', "block_reason IN ('PART_OF_A_BLOCK', 'MEMBERS_HOURS', 'SITE_HOURS', 'BY_VIDEO', 'CLINICAL', 'OTHER')")


def downgrade() -> None:
    op.drop_constraint(op.f('ck_groups_block_reason_code'), 'groups', type_='check')
    op.drop_column('groups', 'block_reason_asked')
    op.drop_column('groups', 'block_reason')
