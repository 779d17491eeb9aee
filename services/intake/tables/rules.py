"""Who signed which rules."""

import sqlalchemy as sa
from sqlalchemy import Column, String, Table, UniqueConstraint
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
