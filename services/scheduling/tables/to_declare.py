"""What somebody's obligations are declared by, locked and in one look."""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from services.scheduling.domain import groups, records
from services.scheduling.tables.attendance import seats
from services.scheduling.tables.booking import PRESENT_EPISODE, is_taken_by_hand
from services.scheduling.tables.groups import groups_table
from services.scheduling.tables.records import episodes, patients, send_lock_of_site, sites
from shared.database import origin_of, send_with_next, written_once


@dataclass(frozen=True, kw_only=True)
class ToDeclare:
    """A patient and a site, locked, and its groups."""

    patient: records.Patient
    #: None for whoever is not in treatment.
    present_episode: records.Episode | None
    #: Whether the patient has a seat to come that is no part of a standing week.
    sits_by_hand: bool
    site: records.Site | None
    #: In the order of their opening; ended ones too.
    groups: list[groups.Group]


_LOCK_PATIENT = """
SELECT FROM patients WHERE tenant_id = %(tenant_id)s AND patient_id = %(patient_id)s FOR NO KEY UPDATE
"""
_SITS_BY_HAND = (
    sa.select(seats.c.seat_id)
    .where(
        seats.c.tenant_id == patients.c.tenant_id,
        seats.c.patient_id == patients.c.patient_id,
        is_taken_by_hand(seats.c, after=sa.bindparam("after")),
    )
    .correlate(patients)
    .exists()
)
_TO_DECLARE = written_once(
    sa.select(records.Patient, records.Episode, _SITS_BY_HAND, records.Site, groups.Group)
    .select_from(records.Patient)
    .outerjoin(records.Episode, episodes.c.episode_id == PRESENT_EPISODE)
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
    narrowed=(records.Episode, records.Site, groups.Group),
)


def lock_to_declare(db: Session, *, patient_id: str, site_id: str, after: datetime) -> ToDeclare | None:
    """Return a patient, if known, and a site, which nobody else plans for until the transaction ends.

    :param after: seats that are over by then are none to come.
    """
    tenant_id = origin_of(db).tenant_id
    # The locks are statements of their own: one that waits for them would see the rest as it was before.
    send_with_next(db.connection(), _LOCK_PATIENT, {"tenant_id": tenant_id, "patient_id": patient_id})
    send_lock_of_site(db, site_id=site_id)
    asked = {"of_tenant": tenant_id, "of_patient": patient_id, "of_site": site_id, "after": after}
    rows = db.execute(_TO_DECLARE, asked).all()
    if not rows:
        return None
    patient, episode, sits_by_hand, site, _ = rows[0]
    return ToDeclare(
        patient=patient,
        present_episode=episode,
        sits_by_hand=sits_by_hand,
        site=site,
        groups=[row[-1] for row in rows if row[-1] is not None],
    )
