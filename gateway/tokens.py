"""Access tokens: signed statements of who asks, for whom, in which role and for what.

A token is a JWT (HS256). Its claims: ``tenant`` and ``partner`` (the app that asks), ``sub`` (the
person who acts, or the patient), ``role``, ``credential``, ``scope`` and ``exp`` in real time.
"""

import base64
import functools
import hashlib
import uuid
from collections import OrderedDict
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey

from shared.clock import real_now
from shared.contracts import roles
from shared.contracts.event import Actor
from shared.errors import Forbidden, Unauthenticated

#: Who signs.
ISSUER = "homeward"
#: The one algorithm; a token that names another is refused.
ALGORITHM = "HS256"
#: Design default: a working day.
DEFAULT_LIFETIME = timedelta(hours=12)
#: How long after its end a token still says who tells of a danger, and nothing else. Design default: a day,
#: so that an app that could not get a new one overnight is no reason not to be heard.
HEARD_AFTER_END = timedelta(days=1)
#: Longest token that is looked at; all scopes at once take about 1,500 characters.
MAX_TOKEN_LENGTH = 8192
#: Verified tokens that a process remembers.
CACHE_SIZE = 4096
#: Longest tenant, partner and person that fit where they are recorded.
MAX_NAME_LENGTH = 64

#: The scope of what runs the program rather than treats patients; it implies no other.
OPERATIONS = "operations"
#: What can be read and written, each with a scope ``resource:read`` and ``resource:write``.
RESOURCES = (
    "admission-waits",
    "aftercare",
    "assessments",
    "bookings",
    "calendars",
    "check-ins",
    "clinicians",
    "consents",
    "contact-points",
    "coverage",
    "curricula",
    "discharges",
    "drug-tests",
    "episodes",
    "escalations",
    "feedback",
    "groups",
    "inquiries",
    "instruments",
    "lapses",
    "legal-demands",
    "letters",
    "level-reviews",
    "obligations",
    "on-call-shifts",
    "outreach",
    "outward-referrals",
    "patients",
    "peers",
    "privacy-notices",
    "programs",
    "records",
    "referrals",
    "reports",
    "restrictions",
    "risk",
    "rooms",
    "rules",
    "safety-concerns",
    "self-checks",
    "session-notes",
    "sessions",
    "sites",
    "staff-contacts",
    "step-downs",
    "supporters",
    "treatment-plans",
    "weekly-plans",
    "work",
)
#: What can be read only.
READ_ONLY_RESOURCES = ("events", "jobs", "traces")

#: Every scope that a token may carry.
SCOPES = (
    *(f"{resource}:{act}" for resource in RESOURCES for act in ("read", "write")),
    *(f"{resource}:read" for resource in READ_ONLY_RESOURCES),
    OPERATIONS,
)

#: What a patient app may be given at most.
PATIENT_SCOPES = (
    "admission-waits:read",
    "admission-waits:write",
    "aftercare:read",
    "aftercare:write",
    "bookings:read",
    "bookings:write",
    "calendars:read",
    "calendars:write",
    "check-ins:read",
    "check-ins:write",
    "consents:read",
    "consents:write",
    "contact-points:read",
    "contact-points:write",
    "coverage:read",
    "coverage:write",
    "curricula:read",
    "episodes:read",
    "feedback:read",
    "feedback:write",
    "instruments:read",
    "instruments:write",
    "lapses:read",
    "lapses:write",
    "obligations:read",
    "obligations:write",
    "patients:read",
    "peers:read",
    "peers:write",
    "privacy-notices:read",
    "privacy-notices:write",
    "programs:read",
    "records:read",
    "records:write",
    "restrictions:read",
    "restrictions:write",
    "safety-concerns:write",
    "sessions:read",
    "sessions:write",
    "supporters:read",
    "supporters:write",
    "treatment-plans:read",
    "treatment-plans:write",
    "weekly-plans:read",
    "weekly-plans:write",
)


def scopes_for(role: str) -> tuple[str, ...]:
    """Return the scopes that a token of this role is minted with when none are asked for."""
    if role == roles.PATIENT:
        return PATIENT_SCOPES
    if role == roles.OPERATIONS:
        return SCOPES
    return tuple(scope for scope in SCOPES if scope != OPERATIONS)


@dataclass(frozen=True, kw_only=True)
class Caller:
    """Who asks, as their token asserts."""

    tenant_id: str
    partner: str
    actor: Actor
    scopes: frozenset[str]
    #: Seconds since 1970, real time.
    expires: float

    @property
    def is_patient(self) -> bool:
        """Whether the token is bound to one patient."""
        return self.actor.role == roles.PATIENT

    @property
    def is_outside(self) -> bool:
        """Whether what the caller gets leaves the program: a partner is an outside recipient."""
        return self.actor.role == roles.PARTNER

    def require(self, scope: str) -> None:
        """Go on only with this scope.

        :raises Forbidden: when the token does not carry it.
        """
        if scope not in self.scopes:
            raise Forbidden(
                "The token does not carry the scope that this needs.",
                code="scope_missing",
                field="scope",
                rule=f"needs {scope}",
            )


def mint(
    token_key: str,
    *,
    tenant: str,
    role: str,
    actor_id: str,
    partner: str = "house",
    credential: str = "",
    scopes: tuple[str, ...] | None = None,
    lifetime: timedelta = DEFAULT_LIFETIME,
) -> str:
    """Return a signed token.

    :param token_key: the signing key, 32 bytes in base64.
    :param actor_id: the person who acts; for a patient's token the patient's id.
    :param scopes: those of the role when not given.
    :raises ValueError: when the role or a scope does not exist, or a name is not usable.
    """
    granted = scopes_for(role) if scopes is None else scopes
    unknown = sorted(set(granted) - set(SCOPES))
    if unknown:
        raise ValueError(f"no such scope: {', '.join(unknown)}")
    now = real_now()
    claims = {
        "iss": ISSUER,
        "tenant": tenant,
        "partner": partner,
        "sub": actor_id,
        "role": role,
        "credential": credential,
        "scope": " ".join(granted),
        "iat": int(now.timestamp()),
        "exp": int((now + lifetime).timestamp()),
    }
    try:
        _caller_of(claims)
    except Unauthenticated as refusal:
        raise ValueError(refusal.detail) from None
    return jwt.encode({"alg": ALGORITHM}, claims, _key_of(token_key), algorithms=[ALGORITHM])


class Verifier:
    """Verifies tokens, and remembers those that it has seen until they expire."""

    def __init__(self, token_key: str) -> None:
        self._key = _key_of(token_key)
        self._known: OrderedDict[bytes, Caller] = OrderedDict()

    def caller_of(self, authorization: str | None) -> Caller:
        """Return who asks, from the request's ``Authorization`` header.

        :raises Unauthenticated: when there is no token, or not one that holds now.
        """
        return self._caller_of(authorization, grace=timedelta(0))

    def lately_caller_of(self, authorization: str | None) -> Caller:
        """Return who tells of a danger, also with a token that held until a day ago.

        :raises Unauthenticated: when there is no token, or not one that held then.
        """
        return self._caller_of(authorization, grace=HEARD_AFTER_END)

    def _caller_of(self, authorization: str | None, *, grace: timedelta) -> Caller:
        scheme, _, token = (authorization or "").strip().partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token:
            raise Unauthenticated(
                "A bearer token is needed.",
                code="token_missing",
                field="Authorization",
                rule="Bearer and an access token",
            )
        digest = hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
        caller = self._known.get(digest)
        if caller is None:
            caller = _caller_of(self._claims_of(token))
            self._known[digest] = caller
            if len(self._known) > CACHE_SIZE:
                self._known.popitem(last=False)
        else:
            self._known.move_to_end(digest)
        if real_now().timestamp() >= caller.expires + grace.total_seconds():
            self._known.pop(digest, None)
            raise _refused("The token has expired.", code="token_expired")
        return caller

    def _claims_of(self, token: str) -> dict[str, Any]:
        if len(token) > MAX_TOKEN_LENGTH:
            raise _refused("The token is not one of ours.")
        try:
            return dict(jwt.decode(token, self._key, algorithms=[ALGORITHM]).claims)
        except (JoseError, ValueError, TypeError):
            # Why a token does not hold is told to nobody.
            raise _refused("The token is not one of ours.") from None


@functools.lru_cache(maxsize=8)
def _key_of(token_key: str) -> OctKey:
    return OctKey.import_key(base64.b64decode(token_key))


def _refused(detail: str, *, code: str = "token_invalid") -> Unauthenticated:
    return Unauthenticated(detail, code=code, field="Authorization", rule="an access token that holds now")


def _caller_of(claims: dict[str, Any]) -> Caller:
    names = {name: claims.get(name) for name in ("tenant", "partner", "sub")}
    for value in names.values():
        if not isinstance(value, str) or not 0 < len(value) <= MAX_NAME_LENGTH or not value.isprintable():
            raise _refused("The token does not say who asks.")
    role, credential, scope = claims.get("role"), claims.get("credential", ""), claims.get("scope")
    expires = claims.get("exp")
    if claims.get("iss") != ISSUER or role not in roles.ROLES or not isinstance(scope, str):
        raise _refused("The token does not say in which role.")
    if not isinstance(credential, str) or len(credential) > 16:  # as wide as its column
        raise _refused("The token's credential is not usable.")
    if isinstance(expires, bool) or not isinstance(expires, int | float):
        raise _refused("The token does not say until when.")
    actor_id = str(names["sub"])
    if role == roles.PATIENT:
        try:
            actor_id = str(uuid.UUID(actor_id))
        except ValueError:
            raise _refused("A patient's token is bound to one patient.") from None
    return Caller(
        tenant_id=str(names["tenant"]),
        partner=str(names["partner"]),
        actor=Actor(actor_id=actor_id, role=role, credential=credential),
        scopes=frozenset(scope.split()),
        expires=float(expires),
    )
