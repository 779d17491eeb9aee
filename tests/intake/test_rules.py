"""The packs of rules: what there is, what a signature covers, and what two versions differ in."""

from datetime import UTC, datetime
from typing import Any

import pytest

from services.intake.domain import rules
from shared.contracts.event import Actor
from shared.errors import Conflict, NotFound

NOW = datetime(2026, 2, 2, 15, 0, tzinfo=UTC)
DIRECTOR = Actor(actor_id="maria", role="medical_director", credential="MD")


def sign(pack: rules.RulePack, **changes: Any) -> rules.RuleSignature:
    values: dict[str, Any] = {
        "signature_id": "1",
        "pack": pack,
        "digest": pack.digest,
        "earlier": [],
        "licensed": (),
        "actor": DIRECTOR,
        "now": NOW,
    }
    return rules.sign(**values | changes)[0]


class TestCatalogue:
    def test_names_every_pack_once(self) -> None:
        found = [(one.pack, one.version) for one in rules.catalogue()]

        assert len(found) == len(set(found)) == 22
        assert ("PLACEMENT_ASAM3", 1) in found

    def test_knows_no_other(self) -> None:
        with pytest.raises(NotFound):
            rules.find("PLACEMENT_ASAM3", 99)


class TestInForce:
    def test_is_what_was_signed_with_the_content_that_it_has(self) -> None:
        pack = rules.find("PHQ9", 1)
        signature = sign(pack)

        assert rules.in_force([signature], licensed=()) == {"PHQ9": 1}
        signature.digest = "0" * 64
        assert rules.in_force([signature], licensed=()) == {}

    def test_ends_with_the_licence(self) -> None:
        signature = sign(rules.find("DAST10", 1), licensed=("DAST10",))

        assert rules.in_force([signature], licensed=("DAST10",)) == {"DAST10": 1}
        assert rules.in_force([signature], licensed=()) == {}

    def test_a_recommendation_counts_under_signed_rules_only(self) -> None:
        signature = sign(rules.find("PLACEMENT_ASAM3", 1))

        rules.check_signed("ASAM3-1", [signature])
        for rule_version, signatures in (("ASAM3-1", []), ("ASAM4-1", [signature]), ("ASAM3-0", [signature])):
            with pytest.raises(Conflict) as refused:
                rules.check_signed(rule_version, signatures)
            assert refused.value.code == "rules_not_signed"


class TestDifference:
    def test_of_a_version_with_itself_is_nothing(self) -> None:
        for pack in rules.catalogue():
            assert rules.difference(pack.pack, pack.version, pack.version) == []
