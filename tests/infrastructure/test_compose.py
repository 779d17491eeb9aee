"""The compose file, as far as it can be checked where no container engine is.

``compose-spec.json`` is schema/compose-spec.json of github.com/compose-spec/compose-spec at commit
170098ba07d9, under the Apache License 2.0.
"""

import json
import re
import subprocess
import sys
from importlib.util import cache_from_source
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from shared.contracts.event import SERVICES
from shared.settings import DATABASES, Settings, describe_settings, load_settings, unknown_variables

ROOT = Path(__file__).parents[2]

KEYS = {
    "HOMEWARD_ENCRYPTION_KEY": "a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s=",
    "HOMEWARD_TOKEN_KEY": "dHR0dHR0dHR0dHR0dHR0dHR0dHR0dHR0dHR0dHR0dHQ=",
    "POSTGRES_PASSWORD": "5e1f",
    "RABBITMQ_PASSWORD": "7a2b",
}


#: What the file says itself: where its own parts are, and which ports are open between them. The last two
#: are of the embedded set-up.
MADE_HERE = {
    "HOMEWARD_BROKER_URL",
    "HOMEWARD_DATABASE_URL",
    "HOMEWARD_CLOCK_DATABASE_URL",
    "HOMEWARD_ENCRYPTION_KEY",
    "HOMEWARD_TOKEN_KEY",
    "HOMEWARD_HTTP_HOST",
    "HOMEWARD_PORT",
    "HOMEWARD_HEALTH_PORT",
    "HOMEWARD_DATA_DIR",
    "HOMEWARD_TENANT",
}


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))


def interpolated(text: str) -> str:
    """Put values in as compose does: ``${NAME:-default}`` and ``${NAME:?complaint}``."""

    def value_of(found: re.Match[str]) -> str:
        name, how, rest = found.groups()
        return KEYS.get(name) or (rest if how == ":-" else "")

    return re.sub(r"\$\{(\w+)(?:(:-|:\?)([^}]*))?\}", value_of, text)


class TestComposeFile:
    def test_follows_the_compose_specification(self, compose):
        schema = json.loads((Path(__file__).parent / "compose-spec.json").read_text(encoding="utf-8"))

        jsonschema.Draft7Validator(schema).validate(compose)

    def test_runs_one_container_a_service_from_one_image(self, compose):
        for service in SERVICES:
            container = compose["services"][service]
            assert container["command"] == ["run", service]
            assert container["image"] == "homeward"

    @pytest.mark.parametrize("service", [*SERVICES, "migrate"])
    def test_gives_settings_that_are_accepted(self, compose, service):
        given = compose["services"][service]["environment"]
        environment = {name: interpolated(value) for name, value in given.items()}

        settings = load_settings(environment)

        assert not unknown_variables(environment)
        assert settings.broker_url == "amqp://homeward:7a2b@rabbitmq:5672//"
        assert settings.database_url_of("intake").endswith(":5e1f@postgres:5432/homeward_intake")
        longest = float(compose["services"][service]["stop_grace_period"].removesuffix("s"))
        assert settings.drain_seconds < longest

    @pytest.mark.parametrize("service", [*SERVICES, "migrate"])
    def test_passes_on_every_setting_that_it_does_not_make_itself(self, compose, service):
        given = compose["services"][service]["environment"]
        known = {line.variable for line in describe_settings(Settings())}
        settable = {name for name in known if not name.startswith("HOMEWARD_DATABASE_URL_")} - MADE_HERE

        passed_on = {name for name, value in given.items() if re.match(rf"\$\{{{name}(:-|\}})", value)}

        assert passed_on == settable

    @pytest.mark.parametrize("service", SERVICES)
    def test_starts_services_after_the_migrations(self, compose, service):
        needed = compose["services"][service]["depends_on"]

        assert needed["migrate"]["condition"] == "service_completed_successfully"

    @pytest.mark.parametrize("service", [*SERVICES, "rabbitmq", "postgres"])
    def test_looks_after_the_health_of_what_stays_up(self, compose, service):
        assert compose["services"][service]["healthcheck"]["test"][0] == "CMD"

    @pytest.mark.parametrize("service", SERVICES)
    def test_asks_for_health_where_it_is_told(self, compose, service):
        container = compose["services"][service]
        settings = load_settings({n: interpolated(v) for n, v in container["environment"].items()})

        (port,) = re.findall(r"127\.0\.0\.1:(\d+)/readyz", container["healthcheck"]["test"][-1])

        assert int(port) == (settings.http_port if service == "gateway" else settings.health_port)

    @pytest.mark.parametrize("service", SERVICES)
    def test_keeps_nothing_from_having_copies(self, compose, service):
        container = compose["services"][service]

        assert "container_name" not in container
        assert service == "gateway" or "ports" not in container

    def test_makes_a_database_for_each_owner(self, compose):
        created = re.findall(r"CREATE DATABASE homeward_(\w+);", (ROOT / "deploy/databases.sql").read_text())

        assert set(created) == set(DATABASES)
        assert any("deploy/databases.sql" in volume for volume in compose["services"]["postgres"]["volumes"])

    def test_holds_no_secret(self, compose):
        for container in compose["services"].values():
            for name, value in container.get("environment", {}).items():
                if re.search("KEY|PASS", name):
                    assert re.fullmatch(r"\$\{\w+:\?[^}]+\}", value), name


class TestDockerfile:
    def test_copies_what_the_image_needs_and_nothing_is_kept_from_it(self):
        copied = re.findall(r"^COPY (?!--from)(.+) \S+$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
        let_in = re.findall(r"^!(.+)$", (ROOT / ".dockerignore").read_text(), re.MULTILINE)

        assert sorted(name for line in copied for name in line.split()) == sorted(let_in)
        assert all((ROOT / name).exists() for name in let_in)

    def test_compiles_the_packages_that_it_copies(self, tmp_path):
        _, built, _ = (ROOT / "Dockerfile").read_text().split("\nFROM ")
        copied = re.findall(r"^COPY (\w+) \1$", built, re.MULTILINE)
        (command,) = re.findall(r"^RUN /venv/bin/python (.* compileall .*)$", built, re.MULTILINE)
        sources = [tmp_path / name / "within" / "said.py" for name in copied]
        for source in sources:
            source.parent.mkdir(parents=True)
            source.write_text("SAID = True\n")

        subprocess.run([sys.executable, *command.split()], cwd=tmp_path, check=True, timeout=60)

        assert len(sources) == 4
        assert built.index(command) > built.index(f"COPY {copied[-1]}")
        # The flags of a compiled file: made of the source's hash, which nobody compares.
        flags = [Path(cache_from_source(source)).read_bytes()[4:8] for source in sources]
        assert {int.from_bytes(one, "little") for one in flags} == {0b01}
