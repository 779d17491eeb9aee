"""On-call duty and pages

Revision: 0003
Revises: 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "on_call_gaps",
        sa.Column("gap_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("found", sa.Integer(), nullable=False),
        sa.Column("begun", sa.Boolean(), nullable=False),
        sa.Column("filled_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("gap_id", name=op.f("pk_on_call_gaps")),
    )
    op.create_index(
        "ix_on_call_gaps_open",
        "on_call_gaps",
        ["tenant_id", "starts_at"],
        unique=False,
        postgresql_where=sa.text("filled_at IS NULL"),
    )
    op.create_table(
        "on_call_shifts",
        sa.Column("shift_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("staff_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("planned_by", sa.String(length=64), nullable=False),
        sa.Column("withdrawn_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("withdrawn_by", sa.String(length=64), nullable=True),
        sa.Column("reason_sealed", sa.LargeBinary(), nullable=True),
        sa.CheckConstraint("ends_at > starts_at", name=op.f("ck_on_call_shifts_order")),
        sa.PrimaryKeyConstraint("shift_id", name=op.f("pk_on_call_shifts")),
    )
    op.create_index("ix_on_call_shifts_end", "on_call_shifts", ["tenant_id", "ends_at"], unique=False)
    op.create_table(
        "page_proofs",
        sa.Column("proof_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("staff_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("outcome", sa.String(length=16), nullable=True),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("task_opened", sa.Boolean(), nullable=False),
        sa.Column("mended_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("proof_id", name=op.f("pk_page_proofs")),
    )
    op.create_index(
        "ix_page_proofs_broken",
        "page_proofs",
        ["tenant_id"],
        unique=False,
        postgresql_where=sa.text("task_opened AND mended_at IS NULL"),
    )
    op.create_table(
        "staff_contacts",
        sa.Column("contact_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("staff_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("role", sa.String(length=32), nullable=False),
        sa.Column("address_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("contact_id", name=op.f("pk_staff_contacts")),
        sa.UniqueConstraint("tenant_id", "staff_id", name=op.f("uq_staff_contacts_tenant_id_staff_id")),
    )
    op.create_table(
        "pages",
        sa.Column("page_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("escalation_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("patient_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("level", sa.String(length=2), nullable=False),
        sa.Column("asked_tier", sa.Integer(), nullable=False),
        sa.Column("tier", sa.Integer(), nullable=False),
        sa.Column("staff_id", sa.String(length=64), nullable=False),
        sa.Column("paged_as", sa.String(length=32), nullable=False),
        sa.Column("paged_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("outcome", sa.String(length=16), nullable=True),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["escalation_id"], ["escalations.escalation_id"], name=op.f("fk_pages_escalation_id")
        ),
        sa.PrimaryKeyConstraint("page_id", name=op.f("pk_pages")),
    )
    op.create_index("ix_pages_escalation", "pages", ["tenant_id", "escalation_id"], unique=False)


def downgrade() -> None:
    op.drop_index("ix_pages_escalation", table_name="pages")
    op.drop_table("pages")
    op.drop_table("staff_contacts")
    op.drop_index(
        "ix_page_proofs_broken",
        table_name="page_proofs",
        postgresql_where=sa.text("task_opened AND mended_at IS NULL"),
    )
    op.drop_table("page_proofs")
    op.drop_index("ix_on_call_shifts_end", table_name="on_call_shifts")
    op.drop_table("on_call_shifts")
    op.drop_index(
        "ix_on_call_gaps_open", table_name="on_call_gaps", postgresql_where=sa.text("filled_at IS NULL")
    )
    op.drop_table("on_call_gaps")
