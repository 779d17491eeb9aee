"""Drug tests

Revision: 0018
Revises: 0017
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "draw_seeds",
        sa.Column("seed_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("patient_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("commitment", sa.String(length=64), nullable=False),
        sa.Column("committed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seed_sealed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("seed_id", name=op.f("pk_draw_seeds")),
    )
    op.create_index("ix_draw_seeds_patient", "draw_seeds", ["tenant_id", "patient_id", "month"], unique=False)
    op.create_table(
        "drug_testing_orders",
        sa.Column("order_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("episode_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("patient_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("journey_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("mean_interval_days", sa.Integer(), nullable=False),
        sa.Column("longest_gap_days", sa.Integer(), nullable=False),
        sa.Column("reason", sa.String(length=32), nullable=False),
        sa.Column("paydays", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("ordered_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ordered_on", sa.Date(), nullable=False),
        sa.Column("ordered_by", sa.String(length=64), nullable=False),
        sa.Column("ordered_by_role", sa.String(length=32), nullable=False),
        sa.Column("ordered_by_credential", sa.String(length=16), nullable=False),
        sa.Column("last_drawn_on", sa.Date(), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_by", sa.String(length=64), nullable=True),
        sa.Column("end_reason", sa.String(length=32), nullable=True),
        sa.PrimaryKeyConstraint("order_id", name=op.f("pk_drug_testing_orders")),
    )
    op.create_index(
        "ix_drug_testing_orders_episode", "drug_testing_orders", ["tenant_id", "episode_id"], unique=False
    )
    op.create_index(
        "uq_drug_testing_orders_open",
        "drug_testing_orders",
        ["tenant_id", "episode_id"],
        unique=True,
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_table(
        "drug_tests",
        sa.Column("test_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("order_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("episode_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("patient_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("journey_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("site_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("due_on", sa.Date(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("drawn_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("outcome", sa.String(length=16), nullable=True),
        sa.Column("result", sa.String(length=16), nullable=True),
        sa.Column("positives", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("excuse", sa.String(length=16), nullable=True),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("recorded_by", sa.String(length=64), nullable=True),
        sa.Column("recorded_by_role", sa.String(length=32), nullable=True),
        sa.Column("reviewed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reviewed_by", sa.String(length=64), nullable=True),
        sa.Column("reviewed_by_credential", sa.String(length=16), nullable=True),
        sa.ForeignKeyConstraint(
            ["order_id"], ["drug_testing_orders.order_id"], name=op.f("fk_drug_tests_order_id")
        ),
        sa.PrimaryKeyConstraint("test_id", name=op.f("pk_drug_tests")),
    )
    op.create_index("ix_drug_tests_episode", "drug_tests", ["tenant_id", "episode_id", "due_on"], unique=False)


def downgrade() -> None:
    op.drop_table("drug_tests")
    op.drop_table("drug_testing_orders")
    op.drop_table("draw_seeds")
