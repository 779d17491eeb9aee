"""The services' databases in the hands of an operator."""

import contextlib
import dataclasses
import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import click
import psycopg2.errors
import sqlalchemy as sa

from shared.clock import SimulatedClock, real_now
from shared.contracts.event import SERVICES, Actor
from shared.contracts.roles import OPERATIONS
from shared.database import Origin, new_engine
from shared.ids import new_id
from shared.settings import Settings, SettingsInvalid, load_settings


@contextlib.contextmanager
def settings_of_operator() -> Iterator[Settings]:
    """Load the settings; of the embedded set-up, with its own server, also while it does not run."""
    with contextlib.ExitStack() as ending:
        settings = load_settings(os.environ)
        if settings.embedded and not settings.database_url:
            settings = _with_own_postgres(settings, ending)
        yield settings


@contextlib.contextmanager
def opened(settings: Settings, services: tuple[str, ...]) -> Iterator[list[tuple[str, sa.Engine]]]:
    """Open the databases of services; of all when none is named."""
    with contextlib.ExitStack() as ending:
        engines = [
            (service, new_engine(settings.database_url_of(service), application="homeward-operator"))
            for service in services or SERVICES
        ]
        for _, engine in engines:
            ending.callback(engine.dispose)
        try:
            yield engines
        except sa.exc.OperationalError as error:
            raise click.ClickException(f"The database does not answer: {error.orig}") from None
        except sa.exc.ProgrammingError as error:
            if not isinstance(error.orig, psycopg2.errors.UndefinedTable):
                raise
            raise click.ClickException("The databases are not up to date: run homeward migrate.") from None


@contextlib.contextmanager
def databases(services: tuple[str, ...]) -> Iterator[list[tuple[str, sa.Engine]]]:
    """Open the services' databases; those of the embedded set-up also while it does not run."""
    with settings_of_operator() as settings, opened(settings, services) as engines:
        yield engines


def program_now(settings: Settings) -> datetime:
    """Return program time: simulated where a simulation was begun, whatever this process is told."""
    try:
        engine = new_engine(settings.database_url_of("clock"), pool_size=1, application="homeward-operator")
    except SettingsInvalid:
        return real_now()
    try:
        return SimulatedClock(engine).now()
    except sa.exc.SQLAlchemyError:
        return real_now()
    finally:
        engine.dispose()


def origin_of_operator(service: str, *, tenant_id: str, who: str, now: datetime) -> Origin:
    """Return whom an operator's transaction acts for, so that the audit says who it was."""
    return Origin(
        service=service,
        tenant_id=tenant_id,
        actor=Actor(actor_id=who[:64], role=OPERATIONS),
        now=now,
        correlation_id=new_id(),
    )


def _with_own_postgres(settings: Settings, ending: contextlib.ExitStack) -> Settings:
    from homeward.postgres import PostgresUnusable, PrivatePostgres  # noqa: PLC0415  # only where it is used

    folder = Path(settings.data_dir).absolute() / "postgres"
    if not folder.exists():
        raise click.ClickException(f"There is no embedded set-up in {settings.data_dir} yet.")
    server = PrivatePostgres(folder)
    ending.callback(server.stop)
    try:
        return dataclasses.replace(settings, database_url=server.start())
    except PostgresUnusable as refusal:
        raise click.ClickException(str(refusal)) from None
