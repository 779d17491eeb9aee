"""Excused seats leave their time free

Revision: 0018
Revises: 0017
"""

from alembic import op
revision = '0018'
down_revision = '0017'
branch_labels = None
depends_on = None

_PATIENT = "int8range(uuid_hash_extended(patient_id, 0), uuid_hash_extended(patient_id, 0), '[]') WITH &&"


def upgrade() -> None:
    _keep_patients_in_one_place(besides="'CANCELLED', 'CANCELLED_BY_PROGRAM', 'EXCUSED'")


def downgrade() -> None:
    _keep_patients_in_one_place(besides="'CANCELLED', 'CANCELLED_BY_PROGRAM'")


def _keep_patients_in_one_place(*, besides: str) -> None:
    op.drop_constraint('ex_seats_patient', 'seats')
    op.execute(
        "ALTER TABLE seats ADD CONSTRAINT ex_seats_patient EXCLUDE USING gist ("
        f"{_PATIENT}, tstzrange(starts_at, ends_at) WITH &&) WHERE (state NOT IN ({besides}))"
    )
