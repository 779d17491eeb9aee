"""A constraint named after its columns

Revision: 0026
Revises: 0025
"""

from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

_RENAME = "ALTER TABLE privacy_notices RENAME CONSTRAINT {} TO {}"
_OLD, _NEW = "uq_privacy_notices_tenant_id_text_id", "uq_privacy_notices_tenant_id_edition"


def upgrade() -> None:
    op.execute(_RENAME.format(_OLD, _NEW))


def downgrade() -> None:
    op.execute(_RENAME.format(_NEW, _OLD))
