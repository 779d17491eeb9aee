"""What a newcomer sees once Homeward serves: its address, tokens for the staff, requests to try."""

from datetime import timedelta

from gateway.tokens import mint
from shared.contracts import roles
from shared.settings import Settings

#: Who the tokens of the embedded set-up are for: role → (person, credential).
PEOPLE = {
    roles.OPERATIONS: ("operations-1", ""),
    roles.CLINICIAN: ("clinician-1", "LCSW"),
    roles.COUNSELOR: ("counselor-1", "LADC"),
    roles.SUPERVISOR: ("supervisor-1", "LPC"),
    roles.MEDICAL_DIRECTOR: ("medical-director-1", "MD"),
    roles.FRONT_DESK: ("front-desk-1", ""),
}

#: How long the tokens of the embedded set-up hold; real time.
TOKEN_LIFETIME = timedelta(days=30)


def tokens_of(settings: Settings) -> dict[str, str]:
    """Return a token for each role of the staff, of the tenant in the settings."""
    return {
        role: mint(
            settings.token_key,
            tenant=settings.tenant,
            role=role,
            actor_id=person,
            credential=credential,
            lifetime=TOKEN_LIFETIME,
        )
        for role, (person, credential) in PEOPLE.items()
    }


def url_at(host: str, port: int) -> str:
    """Return the address at which this machine itself reaches what listens on *host* and *port*."""
    reached = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104  # listening
    return f"http://[{reached}]:{port}" if ":" in reached else f"http://{reached}:{port}"


def greeting(url: str, tokens: dict[str, str]) -> str:
    """Return the address, the tokens as shell variables, and three requests that work."""
    variables = {role: f"{role.upper()}_TOKEN" for role in tokens}
    lines = [f"Homeward serves at {url}   (its door is described at {url}/docs)", ""]
    lines += ["A token for each role of the staff, good for 30 days:", ""]
    lines += [f"  export {variables[role]}={token}" for role, token in tokens.items()]
    lines += ["", "Three requests to try (what the second does, the third tells a moment later):", ""]
    lines += [f"  curl {url}/readyz"]
    site = '{"name": "Lakeside", "time_zone": "America/Chicago", "levels_licensed": ["1", "2.1"],'
    site += ' "emergency_phone": "+1 312 555 0142"}'
    bearer = f"-H 'Authorization: Bearer '${variables[roles.OPERATIONS]}"
    headers = "-H 'Content-Type: application/json' -H 'Idempotency-Key: first-site'"
    lines += [f"  curl -X POST {url}/v1/sites {bearer} {headers} -d '{site}'"]
    lines += [f'  curl "{url}/v1/events?limit=10" -H "Authorization: Bearer ${variables[roles.CLINICIAN]}"']
    return "\n".join(lines)
