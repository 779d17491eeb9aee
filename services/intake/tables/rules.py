"""Who signed which rules."""

import sqlalchemy as sa
from sqlalchemy import Column, String, Table, UniqueConstraint
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Session

from services.intake.domain import rules
from services.intake.tables.columns import CODE, actor_columns, mapper, metadata
from shared.database import id_column, moment, tenant_column, written_once

rule_signature_rows = Table(
    "rule_signatures",
    metadata,
    id_column("signature_id"),
    tenant_column(),
    Column("pack", CODE, nullable=False),
    Column("version", sa.SmallInteger, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("signed_at", moment(), nullable=False),
    *actor_columns("signed"),
    UniqueConstraint("tenant_id", "pack", "version", "digest"),
)

mapper.map_imperatively(rules.RuleSignature, rule_signature_rows)


_SIGNATURES = written_once(
    sa.select(rules.RuleSignature).order_by(
        rule_signature_rows.c.pack, rule_signature_rows.c.version, rule_signature_rows.c.signed_at
    )
)


def rule_signatures(db: Session) -> list[rules.RuleSignature]:
    """Return every signature of the tenant, in order of pack and version."""
    return list(db.scalars(_SIGNATURES))


_signature = rule_signature_rows.c
#: Every signature of the tenant that a question names, as a list of what :class:`rules.Signed` tells.
SIGNED = (
    sa.select(
        sa.func.json_agg(
            sa.func.json_build_array(_signature.pack, _signature.version, _signature.digest),
            type_=postgresql.JSON,
        )
    )
    .where(_signature.tenant_id == sa.bindparam("of_tenant"))
    .scalar_subquery()
)
