"""The first tables

Revision: 0001
Revises: None
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "attendances",
        sa.Column("seat_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("episode_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("clinical_minutes", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("credited_minutes", sa.Integer(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("corrected_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("state IN ('ATTENDED', 'MISSED', 'NEITHER')", name=op.f("ck_attendances_state")),
        sa.PrimaryKeyConstraint("seat_id", name=op.f("pk_attendances")),
    )
    op.create_index(
        "ix_attendances_episode", "attendances", ["tenant_id", "episode_id", "starts_at"], unique=False
    )
    op.create_table(
        "audit",
        sa.Column("position", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("acted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor_id", sa.String(length=64), nullable=False),
        sa.Column("actor_role", sa.String(length=32), nullable=False),
        sa.Column("actor_credential", sa.String(length=16), server_default="", nullable=False),
        sa.Column("action", sa.String(length=64), nullable=False),
        sa.Column("about_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("outcome", sa.String(length=32), nullable=False),
        sa.Column("cause_id", sa.String(length=64), nullable=True),
        sa.Column("link", sa.BigInteger(), nullable=True),
        sa.Column("hash", sa.LargeBinary(length=32), nullable=True),
        sa.PrimaryKeyConstraint("position", name=op.f("pk_audit")),
        sa.UniqueConstraint("tenant_id", "link", name=op.f("uq_audit_tenant_id_link")),
    )
    op.create_index("ix_audit_about", "audit", ["tenant_id", "about_id"], unique=False)
    op.create_index(
        "ix_audit_unlinked", "audit", ["position"], unique=False, postgresql_where=sa.text("link IS NULL")
    )
    op.create_table(
        "check_ins",
        sa.Column("check_in_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("episode_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("checked_in_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("craving", sa.Integer(), nullable=False),
        sa.Column("mood", sa.Integer(), nullable=False),
        sa.Column("stress", sa.Integer(), nullable=False),
        sa.Column("sleep_hours", sa.Float(), nullable=False),
        sa.Column("used", sa.Boolean(), nullable=False),
        sa.Column("substance", sa.String(length=16), nullable=True),
        sa.Column("risky_situation", sa.Boolean(), nullable=False),
        sa.Column("coping_skill_used", sa.Boolean(), nullable=False),
        sa.Column("confidence", sa.Integer(), nullable=True),
        sa.Column("want_call", sa.Boolean(), nullable=False),
        sa.Column("danger", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("check_in_id", name=op.f("pk_check_ins")),
    )
    op.create_index(
        "ix_check_ins_episode", "check_ins", ["tenant_id", "episode_id", "checked_in_at"], unique=False
    )
    op.create_table(
        "commands",
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("command_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(length=32), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("content_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("carried_out_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "command_id", name=op.f("pk_commands")),
    )
    op.create_index(
        "ix_commands_running",
        "commands",
        ["carried_out_at"],
        unique=False,
        postgresql_where=sa.text("state = 'running'"),
    )
    op.create_table(
        "discharge_proposals",
        sa.Column("proposal_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("episode_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("patient_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("journey_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("last_contact_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("proposed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("withdrawn_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("proposal_id", name=op.f("pk_discharge_proposals")),
    )
    op.create_index(
        "ix_discharge_proposals_episode", "discharge_proposals", ["tenant_id", "episode_id"], unique=False
    )
    op.create_table(
        "episodes",
        sa.Column("episode_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("patient_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("journey_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("time_zone", sa.String(length=64), nullable=True),
        sa.Column("admitted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("discharged_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("opioid_history", sa.Boolean(), nullable=False),
        sa.Column("last_contact_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("latest_fact_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("calm_from", sa.DateTime(timezone=True), nullable=True),
        sa.Column("risk_index", sa.Integer(), nullable=False),
        sa.Column("risk_band", sa.String(length=8), nullable=False),
        sa.Column("ready_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("sessions_attended", sa.Integer(), nullable=False),
        sa.Column("outreaches_open", sa.Integer(), nullable=False),
        sa.Column("answered_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("discharge_proposed", sa.Boolean(), nullable=False),
        sa.CheckConstraint(
            "risk_band IN ('GREEN', 'YELLOW', 'ORANGE', 'RED')", name=op.f("ck_episodes_risk_band")
        ),
        sa.PrimaryKeyConstraint("episode_id", name=op.f("pk_episodes")),
    )
    op.create_index("ix_episodes_patient", "episodes", ["tenant_id", "patient_id"], unique=False)
    op.create_table(
        "escalations",
        sa.Column("escalation_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("patient_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("cause", sa.String(length=32), nullable=False),
        sa.Column("level", sa.String(length=2), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("level_since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("episode_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("journey_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("tier", sa.Integer(), nullable=False),
        sa.Column("evidence", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("acknowledged_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("acknowledged_by", sa.String(length=64), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_by", sa.String(length=64), nullable=True),
        sa.Column("closed_by_role", sa.String(length=32), nullable=True),
        sa.Column("closed_by_credential", sa.String(length=16), nullable=True),
        sa.Column("disposition", sa.String(length=32), nullable=True),
        sa.Column("note_sealed", sa.LargeBinary(), nullable=True),
        sa.CheckConstraint("level IN ('E0', 'E1', 'E2', 'E3', 'E4')", name=op.f("ck_escalations_level")),
        sa.CheckConstraint("state IN ('OPEN', 'ACKNOWLEDGED', 'CLOSED')", name=op.f("ck_escalations_state")),
        sa.PrimaryKeyConstraint("escalation_id", name=op.f("pk_escalations")),
    )
    op.create_index(
        "uq_escalations_open",
        "escalations",
        ["tenant_id", "patient_id", "cause"],
        unique=True,
        postgresql_where=sa.text("state <> 'CLOSED'"),
    )
    op.create_table(
        "inbox",
        sa.Column("event_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("reaction", sa.String(length=64), nullable=False),
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("type", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("early", sa.Integer(), server_default="0", nullable=False),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("error", sa.String(length=200), nullable=True),
        sa.Column("resolved_by", sa.String(length=64), nullable=True),
        sa.Column("resolution", sa.String(length=200), nullable=True),
        sa.PrimaryKeyConstraint("event_id", "reaction", name=op.f("pk_inbox")),
    )
    op.create_index(
        "ix_inbox_parked",
        "inbox",
        ["received_at"],
        unique=False,
        postgresql_where=sa.text("state = 'parked'"),
    )
    op.create_index(
        "ix_inbox_waiting",
        "inbox",
        ["next_attempt_at"],
        unique=False,
        postgresql_where=sa.text("state = 'waiting'"),
    )
    op.create_table(
        "job_runs",
        sa.Column("job", sa.String(length=64), nullable=False),
        sa.Column("zone", sa.String(length=64), nullable=False),
        sa.Column("occurrence_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ran_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("job", "zone", "occurrence_at", name=op.f("pk_job_runs")),
    )
    op.create_table(
        "level_reviews",
        sa.Column("review_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("episode_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("reason", sa.String(length=32), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("review_id", name=op.f("pk_level_reviews")),
    )
    op.create_table(
        "outbox",
        sa.Column("position", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("event_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("type", sa.String(length=64), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("announced_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("dispatched_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("position", name=op.f("pk_outbox")),
        sa.UniqueConstraint("event_id", name=op.f("uq_outbox_event_id")),
    )
    op.create_index(
        "ix_outbox_undispatched",
        "outbox",
        ["position"],
        unique=False,
        postgresql_where=sa.text("dispatched_at IS NULL"),
    )
    op.create_table(
        "outreaches",
        sa.Column("outreach_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("episode_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("patient_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("journey_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("seat_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("session_starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("missed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("consecutive", sa.Integer(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("open_tasks", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("asked", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("silent_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("first_attempt_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("how", sa.String(length=16), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("state IN ('OPEN', 'CLOSED')", name=op.f("ck_outreaches_state")),
        sa.PrimaryKeyConstraint("outreach_id", name=op.f("pk_outreaches")),
        sa.UniqueConstraint("seat_id", name=op.f("uq_outreaches_seat_id")),
    )
    op.create_index("ix_outreaches_episode", "outreaches", ["tenant_id", "episode_id", "state"], unique=False)
    op.create_index(
        "ix_outreaches_open",
        "outreaches",
        ["tenant_id", "missed_at"],
        unique=False,
        postgresql_where=sa.text("state = 'OPEN'"),
    )
    op.create_table(
        "quarantine",
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("body_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("error", sa.String(length=200), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_quarantine")),
    )
    op.create_table(
        "short_weeks",
        sa.Column("episode_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("week_starts_on", sa.Date(), nullable=False),
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("attended_minutes", sa.Integer(), nullable=False),
        sa.Column("floor_minutes", sa.Integer(), nullable=False),
        sa.Column("consecutive_weeks", sa.Integer(), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("episode_id", "week_starts_on", name=op.f("pk_short_weeks")),
    )
    op.create_table(
        "sites",
        sa.Column("site_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("time_zone", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("site_id", "tenant_id", name=op.f("pk_sites")),
    )
    op.create_table(
        "timers",
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("key", sa.String(length=128), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("data", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("correlation_id", sa.String(length=64), nullable=False),
        sa.Column("causation_id", sa.String(length=64), nullable=True),
        sa.Column("state", sa.String(length=16), server_default="waiting", nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("error", sa.String(length=200), nullable=True),
        sa.PrimaryKeyConstraint("tenant_id", "name", "key", name=op.f("pk_timers")),
    )
    op.create_index(
        "ix_timers_due", "timers", ["due_at"], unique=False, postgresql_where=sa.text("state = 'waiting'")
    )
    op.create_table(
        "treatment_plans",
        sa.Column("plan_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("episode_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("patient_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("journey_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("assessment_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("drafted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("review_due_on", sa.Date(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("problems", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("objectives", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("offers", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("patient_signed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("clinician_signed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("clinician_id", sa.String(length=64), nullable=True),
        sa.Column("clinician_role", sa.String(length=32), nullable=True),
        sa.Column("clinician_credential", sa.String(length=16), nullable=True),
        sa.Column("supervisor_signed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("supervisor_id", sa.String(length=64), nullable=True),
        sa.Column("activated_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "state IN ('DRAFT', 'ACTIVE', 'SUPERSEDED')", name=op.f("ck_treatment_plans_state")
        ),
        sa.PrimaryKeyConstraint("plan_id", name=op.f("pk_treatment_plans")),
    )
    op.create_index(
        "ix_treatment_plans_episode", "treatment_plans", ["tenant_id", "episode_id"], unique=False
    )
    op.create_table(
        "outreach_attempts",
        sa.Column("attempt_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("outreach_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("channel", sa.String(length=16), nullable=False),
        sa.Column("outcome", sa.String(length=16), nullable=False),
        sa.Column("attempted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("attempted_by", sa.String(length=64), nullable=False),
        sa.Column("note_sealed", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(
            ["outreach_id"], ["outreaches.outreach_id"], name=op.f("fk_outreach_attempts_outreach_id")
        ),
        sa.PrimaryKeyConstraint("attempt_id", name=op.f("pk_outreach_attempts")),
    )


def downgrade() -> None:
    op.drop_table("outreach_attempts")
    op.drop_index("ix_treatment_plans_episode", table_name="treatment_plans")
    op.drop_table("treatment_plans")
    op.drop_index("ix_timers_due", table_name="timers", postgresql_where=sa.text("state = 'waiting'"))
    op.drop_table("timers")
    op.drop_table("sites")
    op.drop_table("short_weeks")
    op.drop_table("quarantine")
    op.drop_index("ix_outreaches_open", table_name="outreaches", postgresql_where=sa.text("state = 'OPEN'"))
    op.drop_index("ix_outreaches_episode", table_name="outreaches")
    op.drop_table("outreaches")
    op.drop_index(
        "ix_outbox_undispatched", table_name="outbox", postgresql_where=sa.text("dispatched_at IS NULL")
    )
    op.drop_table("outbox")
    op.drop_table("level_reviews")
    op.drop_table("job_runs")
    op.drop_index("ix_inbox_waiting", table_name="inbox", postgresql_where=sa.text("state = 'waiting'"))
    op.drop_index("ix_inbox_parked", table_name="inbox", postgresql_where=sa.text("state = 'parked'"))
    op.drop_table("inbox")
    op.drop_index(
        "uq_escalations_open", table_name="escalations", postgresql_where=sa.text("state <> 'CLOSED'")
    )
    op.drop_table("escalations")
    op.drop_index("ix_episodes_patient", table_name="episodes")
    op.drop_table("episodes")
    op.drop_index("ix_discharge_proposals_episode", table_name="discharge_proposals")
    op.drop_table("discharge_proposals")
    op.drop_index("ix_commands_running", table_name="commands", postgresql_where=sa.text("state = 'running'"))
    op.drop_table("commands")
    op.drop_index("ix_check_ins_episode", table_name="check_ins")
    op.drop_table("check_ins")
    op.drop_index("ix_audit_unlinked", table_name="audit", postgresql_where=sa.text("link IS NULL"))
    op.drop_index("ix_audit_about", table_name="audit")
    op.drop_table("audit")
    op.drop_index("ix_attendances_episode", table_name="attendances")
    op.drop_table("attendances")
