"""Rules as a medical director signs them from the command line."""

import pytest
from click.testing import CliRunner, Result

from gateway.tokens import mint
from homeward.__main__ import main
from shared.ids import new_id
from tests.journeys.house import EmbeddedHouse

pytestmark = pytest.mark.journey


class Clinic:
    """A tenant of its own, which has signed nothing."""

    def __init__(self, house: EmbeddedHouse) -> None:
        self._house = house
        self._tenant = new_id()

    def rules(self, *arguments: str, role: str, credential: str = "") -> Result:
        token = mint(
            self._house.settings.token_key,
            tenant=self._tenant,
            role=role,
            actor_id=f"{role}-1",
            credential=credential,
        )
        told = ["rules", *arguments, "--url", self._house.door.url, "--token", token]
        return CliRunner().invoke(main, told)

    def states(self) -> dict[tuple[str, str], str]:
        lines = self.rules("list", role="supervisor").output.splitlines()
        words = [line.split(maxsplit=3) for line in lines]
        return {(pack, version): state for pack, version, _, state in words}


@pytest.fixture
def clinic(house: EmbeddedHouse) -> Clinic:
    return Clinic(house)


class TestSign:
    def test_puts_the_newest_version_in_force_and_tells_by_whom(self, clinic: Clinic) -> None:
        assert not [state for state in clinic.states().values() if state.startswith("in force")]

        refused = clinic.rules("sign", "PHQ9", role="counselor", credential="LPC")
        signed = clinic.rules("sign", "PHQ9", "PLACEMENT_ASAM3", role="medical_director", credential="MD")

        assert (refused.exit_code, refused.output[:10]) == (1, "Error: 403")
        assert (signed.exit_code, signed.output.count("signed by medical_director-1")) == (0, 2)
        in_force = {pack for (pack, _), state in clinic.states().items() if state.startswith("in force")}
        assert in_force == {"PHQ9", "PLACEMENT_ASAM3"}

    def test_signs_all_but_what_ships_off_and_each_once(self, clinic: Clinic) -> None:
        for _ in range(2):
            signed = clinic.rules("sign", "--all", role="medical_director", credential="MD")
            assert signed.exit_code == 0

        states = clinic.states()
        newest = {pack: state for (pack, _), state in states.items()}
        off = {pack for pack, state in newest.items() if state.startswith("ships off")}
        assert off == {"DAST10", "PLACEMENT_ASAM4"}
        assert all(state.startswith("in force") for pack, state in newest.items() if pack not in off)

    def test_names_a_pack_that_is_none(self, clinic: Clinic) -> None:
        refused = clinic.rules("sign", "HOROSCOPE", role="medical_director", credential="MD")

        assert (refused.exit_code, refused.output) == (1, "Error: There is no pack HOROSCOPE.\n")
