"""Looking a telephone number up through the door: for the staff, and for nobody outside."""

import pytest

from gateway.tokens import mint
from shared.contracts import roles
from shared.ids import new_id
from tests.door.program import SECRETS, Program
from tests.journeys.house import EmbeddedHouse

pytestmark = pytest.mark.journey

#: A number of nobody.
UNKNOWN = "+1 312 555 0199"


def token_of(house: EmbeddedHouse, role: str, *, scope: str = "contact-points:write") -> str:
    return mint(
        house.settings.token_key,
        tenant=house.settings.tenant,
        role=role,
        actor_id=new_id(),
        scopes=(scope,),
    )


class TestLookUpPhone:
    def test_tells_the_staff_who_is_reached_there(self, house: EmbeddedHouse, program: Program) -> None:
        digits = "".join(c for c in SECRETS["phone"] if c.isdigit())

        found = house.door.post("/v1/phone-lookups", {"phone": digits}, role="front_desk").expect(200)

        assert program.treated.patient_id in {one["patient_id"] for one in found["found"]}
        assert found["complete"]

    @pytest.mark.parametrize("role", [roles.PARTNER, roles.PATIENT])
    def test_tells_an_outsider_the_same_of_a_patient_and_of_nobody(
        self, house: EmbeddedHouse, program: Program, role: str
    ) -> None:
        token = token_of(house, role)

        answers = [
            house.door.post("/v1/phone-lookups", {"phone": phone}, token=token)
            for phone in (SECRETS["phone"], UNKNOWN)
        ]

        known, unknown = answers
        assert known.status == unknown.status == 403
        assert known.body["errors"] == unknown.body["errors"]
        assert "Zerelda" not in str(known.body)

    def test_needs_the_scope_of_contact_points(self, house: EmbeddedHouse, program: Program) -> None:
        token = token_of(house, roles.FRONT_DESK, scope="sites:read")

        house.door.post("/v1/phone-lookups", {"phone": UNKNOWN}, token=token).expect(403)

    def test_takes_a_number_in_the_body_alone(self, house: EmbeddedHouse, program: Program) -> None:
        house.door.post("/v1/phone-lookups?phone=3125550199", {}, role="front_desk").expect(422)
