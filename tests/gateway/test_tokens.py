"""Tokens: what they assert, and every way in which one does not hold."""

import base64
from datetime import timedelta

import pytest
from joserfc import jwt
from joserfc.jwk import OctKey

from gateway import tokens
from gateway.tokens import Verifier, mint
from shared.contracts import roles
from shared.errors import Forbidden, Unauthenticated
from shared.ids import new_id

KEY = base64.b64encode(b"k" * 32).decode()
OTHER_KEY = base64.b64encode(b"o" * 32).decode()


def signed(**claims: object) -> str:
    """Sign claims as they are, as nobody but us could."""
    usual = {
        "iss": "homeward",
        "tenant": "lakeside",
        "partner": "house",
        "sub": "clinician-1",
        "role": "clinician",
        "credential": "LCSW",
        "scope": "patients:read",
        "exp": 4_000_000_000,
    }
    usual.update(claims)
    return jwt.encode({"alg": "HS256"}, usual, OctKey.import_key(base64.b64decode(KEY)))


class TestVerifier:
    def test_returns_who_asks(self) -> None:
        token = mint(KEY, tenant="lakeside", role="counselor", actor_id="counselor-7", credential="LADC")

        caller = Verifier(KEY).caller_of(f"Bearer {token}")

        assert (caller.tenant_id, caller.partner) == ("lakeside", "house")
        assert (caller.actor.actor_id, caller.actor.role) == ("counselor-7", "counselor")
        assert caller.actor.credential == "LADC"

    def test_takes_the_scheme_in_any_case(self) -> None:
        assert Verifier(KEY).caller_of(f"bearer {signed()}").actor.actor_id == "clinician-1"

    @pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer ", "Basic abc", "abc"])
    def test_refuses_no_token(self, header: str | None) -> None:
        with pytest.raises(Unauthenticated) as refusal:
            Verifier(KEY).caller_of(header)
        assert refusal.value.code == "token_missing"

    def test_refuses_one_that_somebody_else_signed(self) -> None:
        token = mint(OTHER_KEY, tenant="lakeside", role="clinician", actor_id="clinician-1")
        with pytest.raises(Unauthenticated):
            Verifier(KEY).caller_of(f"Bearer {token}")

    def test_refuses_one_that_nobody_signed(self) -> None:
        head = base64.urlsafe_b64encode(b'{"alg":"none","typ":"JWT"}').decode().rstrip("=")
        body = signed().split(".")[1]
        for unsigned in (f"{head}.{body}.", f"{head}.{body}", "...", "é.é.é", "x" * 10_000):
            with pytest.raises(Unauthenticated):
                Verifier(KEY).caller_of(f"Bearer {unsigned}")

    def test_refuses_one_that_was_changed(self) -> None:
        head, _, signature = signed().split(".")
        changed = signed(tenant="hillside").split(".")[1]
        with pytest.raises(Unauthenticated):
            Verifier(KEY).caller_of(f"Bearer {head}.{changed}.{signature}")

    def test_refuses_another_algorithm(self) -> None:
        key = OctKey.import_key(base64.b64decode(KEY) * 2)
        claims = {"iss": "homeward", "exp": 4_000_000_000}
        token = jwt.encode({"alg": "HS512"}, claims, key, algorithms=["HS512"])
        with pytest.raises(Unauthenticated):
            Verifier(KEY).caller_of(f"Bearer {token}")

    @pytest.mark.parametrize(
        "claims",
        [
            {"iss": "elsewhere"},
            {"tenant": ""},
            {"tenant": None},
            {"tenant": "t" * 65},
            {"partner": 7},
            {"sub": "a\nb"},
            {"role": "system"},
            {"role": "wizard"},
            {"role": None},
            {"scope": ["patients:read"]},
            {"credential": "x" * 17},
            {"exp": "tomorrow"},
            {"exp": None},
            {"exp": True},
            {"role": "patient", "sub": "not-a-uuid"},
        ],
    )
    def test_refuses_claims_that_it_cannot_use(self, claims: dict[str, object]) -> None:
        with pytest.raises(Unauthenticated):
            Verifier(KEY).caller_of(f"Bearer {signed(**claims)}")

    def test_refuses_an_expired_one_also_when_it_was_good_before(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        verifier = Verifier(KEY)
        token = mint(
            KEY, tenant="lakeside", role="clinician", actor_id="clinician-1", lifetime=timedelta(hours=1)
        )
        verifier.caller_of(f"Bearer {token}")
        later = tokens.real_now() + timedelta(hours=1)

        monkeypatch.setattr(tokens, "real_now", lambda: later)

        with pytest.raises(Unauthenticated) as refusal:
            verifier.caller_of(f"Bearer {token}")
        assert refusal.value.code == "token_expired"

    def test_checks_a_signature_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        verifier, token = Verifier(KEY), signed()
        first = verifier.caller_of(f"Bearer {token}")

        monkeypatch.setattr(tokens.jwt, "decode", lambda *_, **__: pytest.fail("decoded again"))

        assert verifier.caller_of(f"Bearer {token}") == first

    def test_remembers_no_more_than_it_should(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(tokens, "CACHE_SIZE", 3)
        verifier = Verifier(KEY)
        for number in range(10):
            verifier.caller_of(f"Bearer {signed(sub=f'clinician-{number}')}")
        assert len(verifier._known) == 3


class TestMint:
    def test_gives_a_role_its_scopes(self) -> None:
        assert "operations" in tokens.scopes_for(roles.OPERATIONS)
        assert "operations" not in tokens.scopes_for(roles.MEDICAL_DIRECTOR)
        assert "risk:read" not in tokens.scopes_for(roles.PATIENT)

    def test_fits_all_scopes_into_a_token(self) -> None:
        token = mint(KEY, tenant="lakeside", role="operations", actor_id=new_id(), scopes=tokens.SCOPES)
        assert Verifier(KEY).caller_of(f"Bearer {token}").scopes == set(tokens.SCOPES)

    @pytest.mark.parametrize(
        "wrong",
        [
            {"role": "wizard"},
            {"scopes": ("everything:write",)},
            {"role": "patient", "actor_id": "me"},
            {"tenant": ""},
        ],
    )
    def test_refuses_what_would_not_hold(self, wrong: dict[str, object]) -> None:
        usual: dict[str, object] = {"tenant": "lakeside", "role": "clinician", "actor_id": "clinician-1"}
        with pytest.raises(ValueError, match=r"no such scope|does not say|is bound to"):
            mint(KEY, **(usual | wrong))  # that is the point


class TestCaller:
    def test_is_refused_without_the_scope(self) -> None:
        caller = Verifier(KEY).caller_of(f"Bearer {signed(scope='patients:read')}")
        caller.require("patients:read")
        with pytest.raises(Forbidden):
            caller.require("patients:write")
        with pytest.raises(Forbidden):
            caller.require("patients")
