"""What somebody's obligations are declared by, locked and in one look."""

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from services.scheduling.domain import groups, records
from services.scheduling.tables.groups import groups_table
from services.scheduling.tables.records import send_lock_of_site, sites
from shared.database import origin_of, send_with_next, written_once


@dataclass(frozen=True, kw_only=True)
class ToDeclare:
    """A patient and a site, locked, and its groups."""

    patient: records.Patient
    site: records.Site | None
    #: In the order of their opening; ended ones too.
    groups: list[groups.Group]


_LOCK_PATIENT = """
SELECT FROM patients WHERE tenant_id = %(tenant_id)s AND patient_id = %(patient_id)s FOR NO KEY UPDATE
"""
_TO_DECLARE = written_once(
    sa.select(records.Patient, records.Site, groups.Group)
    .outerjoin(
        records.Site,
        sa.and_(sites.c.site_id == sa.bindparam("of_site"), sites.c.tenant_id == records.Patient.tenant_id),
    )
    .outerjoin(
        groups.Group,
        sa.and_(groups_table.c.site_id == sites.c.site_id, groups_table.c.tenant_id == sites.c.tenant_id),
    )
    .where(records.Patient.patient_id == sa.bindparam("of_patient"))
    .order_by(groups_table.c.opened_at, groups_table.c.group_id)
    .execution_options(populate_existing=True),
    narrowed=(records.Site, groups.Group),
)


def lock_to_declare(db: Session, *, patient_id: str, site_id: str) -> ToDeclare | None:
    """Return a patient, if known, and a site, which nobody else plans for until the transaction ends."""
    # The locks are statements of their own: one that waits for them would see the rest as it was before.
    own = {"tenant_id": origin_of(db).tenant_id, "patient_id": patient_id}
    send_with_next(db.connection(), _LOCK_PATIENT, own)
    send_lock_of_site(db, site_id=site_id)
    rows = db.execute(_TO_DECLARE, {"of_patient": patient_id, "of_site": site_id}).all()
    if not rows:
        return None
    patient, site, _ = rows[0]
    return ToDeclare(patient=patient, site=site, groups=[group for _, _, group in rows if group is not None])
