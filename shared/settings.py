"""Settings: read from the environment once, checked at start, listed by ``homeward settings``.

Each field of :class:`Settings` is one variable, named ``HOMEWARD_`` and the field in capitals
unless it says otherwise. Nothing else in Homeward reads the environment, but for the token of
``homeward events``.
"""

import base64
import binascii
import dataclasses
import math
import re
import zoneinfo
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import parseaddr
from typing import Any
from urllib.parse import urlsplit

from shared.discretion import reveals

#: What has a database of its own: the services, the gateway and the shared program clock.
DATABASES = ("intake", "scheduling", "monitoring", "aftercare", "gateway", "clock")

#: The driver that yields to other greenthreads under eventlet.
_DRIVER = "postgresql+psycopg2://"

#: The broker that lives inside the process.
_MEMORY = "memory://"

#: What is shown in place of a secret.
_MASK = "••••••"


class SettingsInvalid(ValueError):
    """Raised when variables of the environment are missing or unusable; names each of them."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        """Collect *problems*: one line for each variable, never with the value of a secret."""
        super().__init__("The settings are not usable:\n" + "\n".join(f"  {line}" for line in problems))
        self.problems = problems


def _setting(
    default: Any,
    description: str,
    *,
    read: Callable[[str], Any] = str,
    env: str | None = None,
    secret: bool = False,
) -> Any:
    """Declare one variable; *read* turns its text into a value or raises ValueError with the rule."""
    return field(
        default=default,
        metadata={"description": description, "read": read, "env": env, "secret": secret},
    )


def _integer(least: int, most: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            raise ValueError("must be a whole number") from None
        if not least <= number <= most:
            raise ValueError(f"must be between {least} and {most}")
        return number

    return read


def _seconds(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        raise ValueError("must be a number of seconds") from None
    if not math.isfinite(number) or number <= 0:
        raise ValueError("must be a number of seconds above 0")
    return number


def _one_of(*choices: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text not in choices:
            raise ValueError(f"must be one of {', '.join(choices)}")
        return text

    return read


def _key(text: str) -> str:
    try:
        key = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("must be 32 bytes in base64") from None
    if len(key) != 32:
        raise ValueError(f"must be 32 bytes in base64, and is {len(key)}")
    return text


def _database_url(text: str) -> str:
    if not text.startswith(_DRIVER):
        raise ValueError(f"must start with {_DRIVER}")
    return text


def _database_template(text: str) -> str:
    if "{service}" not in _database_url(text):
        raise ValueError("must contain {service}, which stands for the name of the database's owner")
    return text


def _broker_url(text: str) -> str:
    if text != _MEMORY and not text.startswith(("amqp://", "amqps://")):
        raise ValueError(f"must be {_MEMORY} or start with amqp:// or amqps://")
    return text


def _zones(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    if not names:
        raise ValueError("must name at least one time zone")
    for name in names:
        try:
            zoneinfo.ZoneInfo(name)
        except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(f"names no time zone of the tz database: {name!r}") from None
    return names


def _name(text: str) -> str:
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,63}", text):
        raise ValueError("must be 1 to 64 small letters, digits, - or _")
    return text


def _packs(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    if not all(re.fullmatch(r"[A-Z0-9_]{1,40}", name) for name in names):
        raise ValueError("must be names of packs in capitals, separated by commas")
    return names


def _flag(text: str) -> bool:
    if text.lower() not in {"true", "false"}:
        raise ValueError("must be true or false")
    return text.lower() == "true"


def _smtp_url(text: str) -> str:
    url = urlsplit(text)
    if url.scheme not in {"smtp", "smtps"} or not url.hostname:
        raise ValueError("must be smtp://host:port or smtps://host:port")
    _ = url.port
    return text


def _sender(text: str) -> str:
    name, mailbox = parseaddr(text)
    if not re.fullmatch(r"[^@\s]+@[A-Za-z0-9.-]+", mailbox) or not text.isprintable():
        raise ValueError("must be an address, as: Front Desk <desk@example.org>")
    if reveals(f"{name} {mailbox}"):
        raise ValueError("must not give away what the messages are about: another name or domain is needed")
    return text


def _webhook_secret(text: str) -> str:
    try:
        secret = base64.b64decode(text.removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("must be base64, with or without whsec_ before it") from None
    if len(secret) < 24:
        raise ValueError("must be at least 24 bytes in base64")
    return text


def _addresses_by_tenant(text: str) -> str:
    for part in text.split(","):
        tenant, _, addresses = part.partition("=")
        _name(tenant.strip())
        if not addresses.split():
            raise ValueError("must be tenant=address, with several addresses separated by spaces")
        for address in addresses.split():
            if not re.match(r"mailto:[^@\s]+@[^@\s]+$|https?://[^/\s]+", address):
                raise ValueError("an address must start with mailto: or https://")
    return text


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What can be set from outside, with defaults that suit the embedded set-up."""

    database_url: str = _setting(
        "",
        "Where the databases are; {service} stands for each owner's name. Empty: a PostgreSQL of our own.",
        read=_database_template,
        secret=True,
    )
    clock_database_url: str = _setting(
        "",
        "Database of the program clock. Empty: HOMEWARD_DATABASE_URL with clock for {service}.",
        read=_database_url,
        secret=True,
    )
    broker_url: str = _setting(
        _MEMORY,
        "RabbitMQ, as amqp://…; memory:// for the broker inside the process.",
        read=_broker_url,
        secret=True,
    )
    encryption_key: str = _setting(
        "", "Key of identity and free text in the databases: 32 bytes in base64.", read=_key, secret=True
    )
    token_key: str = _setting("", "Key that signs access tokens: 32 bytes in base64.", read=_key, secret=True)
    clock: str = _setting(
        "real", "Program time: real, or simulated (moves by jumps only).", read=_one_of("real", "simulated")
    )
    time_zones: tuple[str, ...] = _setting(
        ("America/Chicago",), "Time zones that calendar jobs run in, separated by commas.", read=_zones
    )
    http_host: str = _setting("127.0.0.1", "Address that the gateway listens on.")
    http_port: int = _setting(
        8000, "Port that the gateway listens on.", read=_integer(0, 65535), env="HOMEWARD_PORT"
    )
    health_port: int = _setting(
        0,
        "Port of /livez, /readyz and /metrics of a service's process; 0 for none.",
        read=_integer(0, 65535),
    )
    max_body_bytes: int = _setting(
        1024 * 1024, "Largest request body that is read, in bytes.", read=_integer(1024, 1024**3)
    )
    command_deadline_seconds: float = _setting(
        2.0, "How long a command may take until its answer.", read=_seconds
    )
    pool_size: int = _setting(10, "Database connections that each process keeps.", read=_integer(1, 200))
    pool_overflow: int = _setting(
        0, "Database connections opened beyond the pool, and closed after use.", read=_integer(0, 200)
    )
    drain_seconds: float = _setting(
        25.0, "How long a stopping process finishes what is in hand.", read=_seconds
    )
    prefetch: int = _setting(
        100, "Events that a process takes from its queue at once.", read=_integer(1, 5000)
    )
    command_prefetch: int = _setting(32, "Commands that a process works on at once.", read=_integer(1, 1000))
    parked_after_attempts: int = _setting(
        8, "Failed attempts after which a reaction is parked for an operator.", read=_integer(1, 100)
    )
    inbox_memory_days: int = _setting(
        30,
        "Days for which a service remembers what it has received, sent and notified.",
        read=_integer(1, 3650),
    )
    log_level: str = _setting(
        "INFO", "Least severity that is logged.", read=_one_of("DEBUG", "INFO", "WARNING", "ERROR")
    )
    data_dir: str = _setting("var/homeward", "Folder of the embedded set-up's database and keys.")
    tenant: str = _setting("demo", "Tenant that the embedded set-up makes tokens for.", read=_name)
    smtp_url: str = _setting(
        "",
        "Mail server of notifications, as smtp://user:password@host:port or smtps://…; empty: no mail.",
        read=_smtp_url,
        secret=True,
    )
    mail_from: str = _setting(
        "", "Sender of mail; neither its name nor its domain may give away what it is about.", read=_sender
    )
    page_webhook_secret: str = _setting(
        "", "Secret that signs notifications by webhook, in base64.", read=_webhook_secret, secret=True
    )
    allow_private_addresses: bool = _setting(
        False, "Whether webhooks may go to private addresses, and by http: for trials.", read=_flag
    )
    fallback_page: str = _setting(
        "",
        "Who is paged when monitoring is away: tenant=mailto:…, several addresses separated by spaces.",
        read=_addresses_by_tenant,
        secret=True,
    )
    licensed_packs: tuple[str, ...] = _setting(
        (),
        "Packs that ship off and whose licence you hold, separated by commas, e.g. DAST10.",
        read=_packs,
    )
    safety_confirm_seconds: float = _setting(
        60.0, "How long monitoring may take to confirm a danger before others page.", read=_seconds
    )
    #: Single databases that do not follow the template, as pairs of owner and URL.
    database_overrides: tuple[tuple[str, str], ...] = ()

    @property
    def embedded(self) -> bool:
        """Whether gateway and services share one process and its own broker."""
        return self.broker_url == _MEMORY

    def fallback_addresses_of(self, tenant_id: str) -> tuple[str, ...]:
        """Return the addresses that are paged when the usual way to page is broken."""
        pairs = (part.partition("=") for part in self.fallback_page.split(",") if part)
        return tuple(
            address
            for tenant, _, addresses in pairs
            if tenant.strip() == tenant_id
            for address in addresses.split()
        )

    def database_url_of(self, service: str) -> str:
        """Return the SQLAlchemy URL of one owner's database; ``clock`` for the program clock's.

        :raises SettingsInvalid: when no variable says where it is.
        """
        overrides = dict(self.database_overrides)
        if service in overrides:
            return overrides[service]
        if service == "clock" and self.clock_database_url:
            return self.clock_database_url
        if not self.database_url:
            raise SettingsInvalid((f"HOMEWARD_DATABASE_URL: needed for the database of {service}",))
        return self.database_url.replace("{service}", service)


@dataclass(frozen=True, kw_only=True)
class SettingLine:
    """One line of ``homeward settings``: a variable, what it is now (secrets masked) and why."""

    variable: str
    shown: str
    is_default: bool
    description: str


def load_settings(environ: Mapping[str, str]) -> Settings:
    """Read and check the settings.

    A variable that is set to nothing counts as not set.

    :raises SettingsInvalid: naming every variable that is unusable or missing.
    """
    values: dict[str, Any] = {}
    problems: list[str] = []
    for declared in _declared():
        variable = variable_of(declared.name)
        text = environ.get(variable, "").strip()
        if not text:
            continue
        try:
            values[declared.name] = declared.metadata["read"](text)
        except ValueError as error:
            problems.append(f"{variable}: {error}")
    overrides = []
    for service in DATABASES:
        variable = f"HOMEWARD_DATABASE_URL_{service.upper()}"
        text = environ.get(variable, "").strip()
        if text:
            try:
                overrides.append((service, _database_url(text)))
            except ValueError as error:
                problems.append(f"{variable}: {error}")
    settings = Settings(**values, database_overrides=tuple(overrides))
    problems += _missing(settings, {problem.partition(":")[0] for problem in problems})
    if problems:
        raise SettingsInvalid(tuple(problems))
    return settings


def variable_of(name: str) -> str:
    """Return the environment variable of a field."""
    (declared,) = (known for known in _declared() if known.name == name)
    return declared.metadata["env"] or f"HOMEWARD_{name.upper()}"


def describe_settings(settings: Settings) -> list[SettingLine]:
    """List every variable with its present value; secrets are masked, passwords in URLs too."""
    lines = [
        SettingLine(
            variable=variable_of(declared.name),
            shown=_shown(getattr(settings, declared.name), secret=declared.metadata["secret"]),
            is_default=getattr(settings, declared.name) == declared.default,
            description=declared.metadata["description"],
        )
        for declared in _declared()
    ]
    overrides = dict(settings.database_overrides)
    lines += [
        SettingLine(
            variable=f"HOMEWARD_DATABASE_URL_{service.upper()}",
            shown=_shown(overrides.get(service, ""), secret=True),
            is_default=service not in overrides,
            description=f"Database of {service}, when it does not follow HOMEWARD_DATABASE_URL.",
        )
        for service in DATABASES
    ]
    return lines


def unknown_variables(environ: Mapping[str, str]) -> list[str]:
    """Return the variables that look like ours and are none: most often a slip of the pen."""
    known = {line.variable for line in describe_settings(Settings())} | {"HOMEWARD_TOKEN"}
    return sorted(name for name in environ if name.startswith("HOMEWARD_") and name not in known)


def environment_of(settings: Settings) -> dict[str, str]:
    """Write settings back as variables, for a process that is to run with the same ones."""
    written = {}
    for declared in _declared():
        value = getattr(settings, declared.name)
        text = ",".join(value) if isinstance(value, tuple) else str(value)
        # Defaults too: the other process may inherit an environment that says otherwise.
        if text:
            written[variable_of(declared.name)] = text
    for service, url in settings.database_overrides:
        written[f"HOMEWARD_DATABASE_URL_{service.upper()}"] = url
    return written


def _declared() -> tuple[dataclasses.Field[Any], ...]:
    return tuple(declared for declared in dataclasses.fields(Settings) if "read" in declared.metadata)


def _missing(settings: Settings, already_named: set[str]) -> list[str]:
    senders = []
    if settings.smtp_url and not settings.mail_from and "HOMEWARD_MAIL_FROM" not in already_named:
        senders.append("HOMEWARD_MAIL_FROM: must be set when HOMEWARD_SMTP_URL is")
    # The embedded set-up makes its own database and keys and keeps them in its data folder.
    if settings.embedded:
        return senders
    needed = {
        "HOMEWARD_ENCRYPTION_KEY": settings.encryption_key,
        "HOMEWARD_TOKEN_KEY": settings.token_key,
        "HOMEWARD_DATABASE_URL": settings.database_url or len(settings.database_overrides) == len(DATABASES),
    }
    return senders + [
        f"{variable}: must be set when HOMEWARD_BROKER_URL names a RabbitMQ"
        for variable, value in needed.items()
        if not value and variable not in already_named
    ]


def _shown(value: Any, *, secret: bool) -> str:
    if isinstance(value, tuple):
        return ",".join(value)
    text = str(value)
    if not secret or not text:
        return text
    if not re.match(r"[a-z0-9+]+://", text):
        return _MASK
    # A URL is useful without its password, which may also stand among its parameters.
    without_password = re.sub(r"(?<=://)([^:/@?]*):[^@/]*@", rf"\1:{_MASK}@", text)
    return re.sub(r"(?i)(password=)[^&]*", rf"\1{_MASK}", without_password)
