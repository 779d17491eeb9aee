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
        "episodes",
        sa.Column("episode_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("patient_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("journey_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("site_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("time_zone", sa.String(length=64), nullable=True),
        sa.Column("admitted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("follow_up_consent", sa.Boolean(), nullable=False),
        sa.Column("opioid_history", sa.Boolean(), nullable=False),
        sa.Column("problems", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("assessed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_reached_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ready_criteria", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("ready_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("discharge_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("discharge_reason", sa.String(length=2), nullable=True),
        sa.Column("discharged_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("graduated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("deceased_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("episode_id", name=op.f("pk_episodes")),
    )
    op.create_index(
        op.f("ix_episodes_tenant_id_journey_id"), "episodes", ["tenant_id", "journey_id"], unique=False
    )
    op.create_index(
        op.f("ix_episodes_tenant_id_patient_id"), "episodes", ["tenant_id", "patient_id"], unique=False
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
        "quarantine",
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("body_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("error", sa.String(length=200), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_quarantine")),
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
        "aftercare_contacts",
        sa.Column("contact_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("episode_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("patient_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("journey_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("counted_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("window_opens_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("window_closes_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("kind IN ('CALL', 'FOLLOW_UP')", name=op.f("ck_aftercare_contacts_kind")),
        sa.CheckConstraint(
            "status IN ('PLANNED', 'DUE', 'REACHED', 'LOST', 'REFUSED', 'DECEASED', 'NOT_CONSENTED', 'CANCELLED')",
            name=op.f("ck_aftercare_contacts_status"),
        ),
        sa.ForeignKeyConstraint(
            ["episode_id"], ["episodes.episode_id"], name=op.f("fk_aftercare_contacts_episode_id")
        ),
        sa.PrimaryKeyConstraint("contact_id", name=op.f("pk_aftercare_contacts")),
        sa.UniqueConstraint(
            "tenant_id",
            "episode_id",
            "kind",
            "number",
            name=op.f("uq_aftercare_contacts_tenant_id_episode_id_kind_number"),
        ),
    )
    op.create_index(
        op.f("ix_aftercare_contacts_tenant_id_journey_id"),
        "aftercare_contacts",
        ["tenant_id", "journey_id"],
        unique=False,
    )
    op.create_table(
        "aftercare_plans",
        sa.Column("plan_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("episode_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("patient_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("components", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("planned_discharge_on", sa.Date(), nullable=False),
        sa.Column("first_appointment_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("triggers", sa.Integer(), nullable=False),
        sa.Column("coping_actions_per_trigger", sa.Integer(), nullable=False),
        sa.Column("warning_signs", sa.Integer(), nullable=False),
        sa.Column("routines_per_week", sa.Integer(), nullable=False),
        sa.Column("supports", sa.Integer(), nullable=False),
        sa.Column("supports_outside_family", sa.Integer(), nullable=False),
        sa.Column("lapse_plan", sa.Boolean(), nullable=False),
        sa.Column("safety_plan", sa.Boolean(), nullable=False),
        sa.Column("reviewed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("written_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("author_id", sa.String(length=64), nullable=False),
        sa.Column("author_role", sa.String(length=32), nullable=False),
        sa.Column("author_credential", sa.String(length=16), nullable=False),
        sa.Column("patient_signed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("clinician_signed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("goals_sealed", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(
            ["episode_id"], ["episodes.episode_id"], name=op.f("fk_aftercare_plans_episode_id")
        ),
        sa.PrimaryKeyConstraint("plan_id", name=op.f("pk_aftercare_plans")),
        sa.UniqueConstraint(
            "tenant_id", "episode_id", "version", name=op.f("uq_aftercare_plans_tenant_id_episode_id_version")
        ),
    )
    op.create_table(
        "attestations",
        sa.Column("attestation_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("episode_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("criterion", sa.String(length=32), nullable=False),
        sa.Column("evidence", sa.String(length=32), nullable=False),
        sa.Column("met", sa.Boolean(), nullable=False),
        sa.Column("attested_by", sa.String(length=64), nullable=False),
        sa.Column("role", sa.String(length=32), nullable=False),
        sa.Column("credential", sa.String(length=16), nullable=False),
        sa.Column("attested_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["episode_id"], ["episodes.episode_id"], name=op.f("fk_attestations_episode_id")
        ),
        sa.PrimaryKeyConstraint("attestation_id", name=op.f("pk_attestations")),
    )
    op.create_index(
        op.f("ix_attestations_tenant_id_episode_id_attested_at"),
        "attestations",
        ["tenant_id", "episode_id", "attested_at"],
        unique=False,
    )
    op.create_table(
        "discharge_proposals",
        sa.Column("proposal_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("episode_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("patient_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("journey_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("reason_code", sa.String(length=2), nullable=False),
        sa.Column("last_contact_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("proposed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "status IN ('OPEN', 'WITHDRAWN', 'DISCHARGED')", name=op.f("ck_discharge_proposals_status")
        ),
        sa.ForeignKeyConstraint(
            ["episode_id"], ["episodes.episode_id"], name=op.f("fk_discharge_proposals_episode_id")
        ),
        sa.PrimaryKeyConstraint("proposal_id", name=op.f("pk_discharge_proposals")),
    )
    op.create_index(
        op.f("ix_discharge_proposals_tenant_id_episode_id"),
        "discharge_proposals",
        ["tenant_id", "episode_id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_discharge_proposals_tenant_id_proposed_at_proposal_id"),
        "discharge_proposals",
        ["tenant_id", "proposed_at", "proposal_id"],
        unique=False,
    )
    op.create_table(
        "discharges",
        sa.Column("discharge_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("episode_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("patient_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("journey_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("reason_code", sa.String(length=2), nullable=False),
        sa.Column("local_reason", sa.String(length=32), nullable=True),
        sa.Column("admitted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_contact_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("stay_days", sa.Integer(), nullable=False),
        sa.Column("discharged_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("signed_by", sa.String(length=64), nullable=False),
        sa.Column("role", sa.String(length=32), nullable=False),
        sa.Column("credential", sa.String(length=16), nullable=False),
        sa.Column("exceptions", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("rule_version", sa.String(length=32), nullable=True),
        sa.Column("exception_reason_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("summary_sealed", sa.LargeBinary(), nullable=True),
        sa.CheckConstraint(
            "reason_code IN ('1', '2', '3', '4', '5', '6', '7')", name=op.f("ck_discharges_reason_code")
        ),
        sa.CheckConstraint("stay_days >= 1", name=op.f("ck_discharges_stay_days")),
        sa.ForeignKeyConstraint(
            ["episode_id"], ["episodes.episode_id"], name=op.f("fk_discharges_episode_id")
        ),
        sa.PrimaryKeyConstraint("discharge_id", name=op.f("pk_discharges")),
        sa.UniqueConstraint("tenant_id", "episode_id", name=op.f("uq_discharges_tenant_id_episode_id")),
    )
    op.create_table(
        "lapses",
        sa.Column("lapse_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("episode_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("patient_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("journey_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("reported_by", sa.String(length=16), nullable=False),
        sa.Column("substance", sa.String(length=16), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reported_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("contact_by", sa.DateTime(timezone=True), nullable=False),
        sa.Column("contacted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("escalated", sa.Boolean(), nullable=False),
        sa.CheckConstraint(
            "reported_by IN ('SELF', 'SUPPORTER', 'CALL', 'TEST')", name=op.f("ck_lapses_reported_by")
        ),
        sa.CheckConstraint(
            "substance IN ('ALCOHOL', 'OPIOID', 'CANNABIS', 'SEDATIVE', 'COCAINE', 'STIMULANT', 'HALLUCINOGEN', 'NICOTINE', 'INHALANT', 'OTHER', 'GAMBLING', 'UNKNOWN', 'NONE')",
            name=op.f("ck_lapses_substance"),
        ),
        sa.ForeignKeyConstraint(["episode_id"], ["episodes.episode_id"], name=op.f("fk_lapses_episode_id")),
        sa.PrimaryKeyConstraint("lapse_id", name=op.f("pk_lapses")),
    )
    op.create_index(
        op.f("ix_lapses_tenant_id_episode_id"), "lapses", ["tenant_id", "episode_id"], unique=False
    )
    op.create_index(
        op.f("ix_lapses_tenant_id_journey_id"),
        "lapses",
        ["tenant_id", "journey_id"],
        unique=False,
        postgresql_where=sa.text("contacted_at IS NULL"),
    )
    op.create_table(
        "seats",
        sa.Column("seat_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("episode_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("clinical_minutes", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=24), nullable=False),
        sa.Column("credited_minutes", sa.Integer(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["episode_id"], ["episodes.episode_id"], name=op.f("fk_seats_episode_id")),
        sa.PrimaryKeyConstraint("seat_id", name=op.f("pk_seats")),
    )
    op.create_index(
        op.f("ix_seats_tenant_id_episode_id_starts_at"),
        "seats",
        ["tenant_id", "episode_id", "starts_at"],
        unique=False,
    )
    op.create_table(
        "contact_attempts",
        sa.Column("attempt_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("contact_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("channel", sa.String(length=16), nullable=False),
        sa.Column("outcome", sa.String(length=16), nullable=False),
        sa.Column("made_by", sa.String(length=64), nullable=False),
        sa.Column("role", sa.String(length=32), nullable=False),
        sa.Column("attempted_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "channel IN ('CALL', 'TEXT', 'EMAIL', 'LETTER', 'VISIT', 'SUPPORTER')",
            name=op.f("ck_contact_attempts_channel"),
        ),
        sa.CheckConstraint(
            "outcome IN ('REACHED', 'NO_ANSWER', 'REFUSED', 'DECEASED')",
            name=op.f("ck_contact_attempts_outcome"),
        ),
        sa.ForeignKeyConstraint(
            ["contact_id"], ["aftercare_contacts.contact_id"], name=op.f("fk_contact_attempts_contact_id")
        ),
        sa.PrimaryKeyConstraint("attempt_id", name=op.f("pk_contact_attempts")),
        sa.UniqueConstraint(
            "tenant_id", "contact_id", "number", name=op.f("uq_contact_attempts_tenant_id_contact_id_number")
        ),
    )
    op.create_table(
        "reentries",
        sa.Column("reentry_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("lapse_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("patient_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("journey_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("level_decision_due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("status IN ('OPEN', 'ADMITTED', 'EXPIRED')", name=op.f("ck_reentries_status")),
        sa.ForeignKeyConstraint(["lapse_id"], ["lapses.lapse_id"], name=op.f("fk_reentries_lapse_id")),
        sa.PrimaryKeyConstraint("reentry_id", name=op.f("pk_reentries")),
    )
    op.create_index(
        op.f("ix_reentries_tenant_id_lapse_id"), "reentries", ["tenant_id", "lapse_id"], unique=False
    )
    op.create_index(
        "uq_reentries_open",
        "reentries",
        ["tenant_id", "journey_id"],
        unique=True,
        postgresql_where=sa.text("status = 'OPEN'"),
    )


def downgrade() -> None:
    op.drop_index("uq_reentries_open", table_name="reentries", postgresql_where=sa.text("status = 'OPEN'"))
    op.drop_index(op.f("ix_reentries_tenant_id_lapse_id"), table_name="reentries")
    op.drop_table("reentries")
    op.drop_table("contact_attempts")
    op.drop_index(op.f("ix_seats_tenant_id_episode_id_starts_at"), table_name="seats")
    op.drop_table("seats")
    op.drop_index(
        op.f("ix_lapses_tenant_id_journey_id"),
        table_name="lapses",
        postgresql_where=sa.text("contacted_at IS NULL"),
    )
    op.drop_index(op.f("ix_lapses_tenant_id_episode_id"), table_name="lapses")
    op.drop_table("lapses")
    op.drop_table("discharges")
    op.drop_index(
        op.f("ix_discharge_proposals_tenant_id_proposed_at_proposal_id"), table_name="discharge_proposals"
    )
    op.drop_index(op.f("ix_discharge_proposals_tenant_id_episode_id"), table_name="discharge_proposals")
    op.drop_table("discharge_proposals")
    op.drop_index(op.f("ix_attestations_tenant_id_episode_id_attested_at"), table_name="attestations")
    op.drop_table("attestations")
    op.drop_table("aftercare_plans")
    op.drop_index(op.f("ix_aftercare_contacts_tenant_id_journey_id"), table_name="aftercare_contacts")
    op.drop_table("aftercare_contacts")
    op.drop_index("ix_timers_due", table_name="timers", postgresql_where=sa.text("state = 'waiting'"))
    op.drop_table("timers")
    op.drop_table("quarantine")
    op.drop_index(
        "ix_outbox_undispatched", table_name="outbox", postgresql_where=sa.text("dispatched_at IS NULL")
    )
    op.drop_table("outbox")
    op.drop_table("job_runs")
    op.drop_index("ix_inbox_waiting", table_name="inbox", postgresql_where=sa.text("state = 'waiting'"))
    op.drop_index("ix_inbox_parked", table_name="inbox", postgresql_where=sa.text("state = 'parked'"))
    op.drop_table("inbox")
    op.drop_index(op.f("ix_episodes_tenant_id_patient_id"), table_name="episodes")
    op.drop_index(op.f("ix_episodes_tenant_id_journey_id"), table_name="episodes")
    op.drop_table("episodes")
    op.drop_index("ix_commands_running", table_name="commands", postgresql_where=sa.text("state = 'running'"))
    op.drop_table("commands")
    op.drop_index("ix_audit_unlinked", table_name="audit", postgresql_where=sa.text("link IS NULL"))
    op.drop_index("ix_audit_about", table_name="audit")
    op.drop_table("audit")
