"""Who backs a patient, and what sets off use and what helps against it."""

from sqlalchemy import Boolean, Column, Index, Integer, PrimaryKeyConstraint, String, Table, bindparam, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session

from services.intake.domain import supporters, triggers
from services.intake.tables.columns import CODE, actor_columns, belongs_to, mapper, metadata, one_of
from shared.contracts import intake as codes
from shared.database import id_column, moment, reference, sealed, sealed_column, tenant_column, written_once

supporter_rows = Table(
    "supporters",
    metadata,
    id_column("supporter_id"),
    tenant_column(),
    belongs_to("patient_id", "patients.patient_id"),
    reference("journey_id"),
    Column("role", CODE, nullable=False),
    Column("lives_with_patient", Boolean, nullable=False),
    Column("reached_by", CODE, nullable=False),
    sealed_column("name", nullable=False),
    sealed_column("phone"),
    sealed_column("email"),
    belongs_to("consent_id", "consents.consent_id", nullable=True),
    Column("added_at", moment(), nullable=False),
    *actor_columns("added", credential=False),
    Column("ended_at", moment()),
    Column("ended_by", String(64)),
    Column("ended_by_role", String(32)),
    one_of("role", codes.SUPPORTER_ROLES),
    one_of("reached_by", codes.SUPPORTER_CHANNELS),
    Index("ix_supporters_tenant_patient", "tenant_id", "patient_id"),
)

network_rows = Table(
    "support_networks",
    metadata,
    tenant_column(),
    belongs_to("patient_id", "patients.patient_id"),
    Column("supporters", Integer, nullable=False),
    Column("told_at", moment(), nullable=False),
    *actor_columns("told", credential=False),
    PrimaryKeyConstraint("tenant_id", "patient_id"),
)

inventory_rows = Table(
    "trigger_inventories",
    metadata,
    id_column("inventory_id"),
    tenant_column(),
    belongs_to("episode_id", "episodes.episode_id"),
    belongs_to("patient_id", "patients.patient_id"),
    reference("journey_id"),
    Column("triggers", JSONB, nullable=False),
    Column("recorded_at", moment(), nullable=False),
    *actor_columns("recorded", credential=False),
    Index("ix_trigger_inventories_tenant_episode", "tenant_id", "episode_id"),
)

mapper.map_imperatively(supporters.Supporter, supporter_rows)
mapper.map_imperatively(supporters.SupportNetwork, network_rows)
mapper.map_imperatively(triggers.TriggerInventory, inventory_rows)

sealed(supporters.Supporter, key="supporter_id", fields=("name", "phone", "email"))


def find_supporter(db: Session, *, supporter_id: str) -> supporters.Supporter | None:
    """Return somebody who backs a patient, if they are known."""
    return db.get(supporters.Supporter, supporter_id)


def supporters_of(db: Session, *, patient_id: str) -> list[supporters.Supporter]:
    """Return who backs a patient now, in the order in which they were named."""
    query = select(supporters.Supporter).where(
        supporter_rows.c.patient_id == patient_id, supporter_rows.c.ended_at.is_(None)
    )
    return list(db.scalars(query.order_by(supporter_rows.c.added_at, supporter_rows.c.supporter_id)))


_NETWORK = written_once(
    select(supporters.SupportNetwork).where(network_rows.c.patient_id == bindparam("of_patient"))
)


def find_network(db: Session, *, patient_id: str) -> supporters.SupportNetwork | None:
    """Return what a patient said last about who backs them, if they said anything."""
    return db.scalar(_NETWORK, {"of_patient": patient_id})


def has_tools(db: Session, *, episode_id: str) -> bool:
    """Tell whether somebody told of enough triggers with tools in an episode, after the assessment."""
    query = select(triggers.TriggerInventory).where(inventory_rows.c.episode_id == episode_id)
    return any(inventory.is_complete for inventory in db.scalars(query))
