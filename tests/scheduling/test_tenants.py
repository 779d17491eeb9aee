"""Two programs on one server that chose the same ids: what one changes is its own."""

import sqlalchemy as sa

from services.scheduling import tables
from services.scheduling.service import Scheduling
from shared.ids import derived_id
from tests.scheduling.builders import furnish


class TestSameIds:
    def test_of_a_clinician_are_changed_for_one_program_only(self, room_of):
        room = room_of(Scheduling)
        ours = room.tenant_id
        for tenant in ("hillside", ours):
            room.tenant_id = tenant
            furnish(room)
        walt = derived_id("clinician", "Walt")
        body = {"clinician_id": walt, "kind": "CADC", "state": "IL", "expires_on": "2031-01-01"}
        room.call("record_credential", body, role="supervisor")

        with room.engine.connect() as connection:
            found = connection.execute(
                sa.select(tables.clinicians_table.c.tenant_id, tables.clinicians_table.c.credentials).where(
                    tables.clinicians_table.c.clinician_id == walt
                )
            )
            expiries = {tenant: [one["expires_on"] for one in told] for tenant, told in found}

        assert "2031-01-01" in expiries[ours]
        assert "2031-01-01" not in expiries["hillside"]
