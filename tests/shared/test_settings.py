"""Settings: read once, checked at start, shown without their secrets."""

import base64

import pytest

from shared.settings import (
    Settings,
    SettingsInvalid,
    describe_settings,
    environment_of,
    load_settings,
    unknown_variables,
)

KEY = base64.b64encode(b"k" * 32).decode()

PRODUCTION = {
    "HOMEWARD_BROKER_URL": "amqp://homeward:s3cret-broker@rabbit.clinic/",
    "HOMEWARD_DATABASE_URL": "postgresql+psycopg2://homeward:s3cret-base@db.clinic/homeward_{service}",
    "HOMEWARD_ENCRYPTION_KEY": KEY,
    "HOMEWARD_TOKEN_KEY": KEY,
}


class TestLoadSettings:
    def test_needs_nothing_for_the_embedded_set_up(self):
        settings = load_settings({})

        assert settings.embedded
        assert settings.http_port == 8000
        assert settings.time_zones == ("America/Chicago",)

    def test_reads_every_kind_of_value(self):
        settings = load_settings(
            {
                "HOMEWARD_PORT": "9100",
                "HOMEWARD_COMMAND_DEADLINE_SECONDS": "0.5",
                "HOMEWARD_TIME_ZONES": "America/Denver, America/New_York",
                "HOMEWARD_CLOCK": "simulated",
            }
        )

        assert settings.http_port == 9100
        assert settings.command_deadline_seconds == 0.5
        assert settings.time_zones == ("America/Denver", "America/New_York")
        assert settings.clock == "simulated"

    def test_takes_an_empty_variable_for_one_that_is_not_set(self):
        assert load_settings({"HOMEWARD_PORT": ""}).http_port == 8000

    @pytest.mark.parametrize(
        ("variable", "text"),
        [
            ("HOMEWARD_PORT", "eight thousand"),
            ("HOMEWARD_PORT", "70000"),
            ("HOMEWARD_COMMAND_DEADLINE_SECONDS", "0"),
            ("HOMEWARD_COMMAND_DEADLINE_SECONDS", "nan"),
            ("HOMEWARD_TIME_ZONES", "America/Gotham"),
            ("HOMEWARD_CLOCK", "sundial"),
            ("HOMEWARD_BROKER_URL", "redis://localhost"),
            ("HOMEWARD_DATABASE_URL", "postgresql://localhost/{service}"),
            ("HOMEWARD_DATABASE_URL", "postgresql+psycopg2://localhost/one_for_all"),
            ("HOMEWARD_DATABASE_URL_INTAKE", "sqlite://"),
            ("HOMEWARD_TENANT", "Two Words"),
        ],
    )
    def test_names_the_variable_that_is_unusable(self, variable, text):
        with pytest.raises(SettingsInvalid, match=f"{variable}:"):
            load_settings({variable: text})

    def test_names_all_that_is_missing_beside_a_real_broker(self):
        with pytest.raises(SettingsInvalid) as refused:
            load_settings({"HOMEWARD_BROKER_URL": "amqp://localhost"})

        assert [problem.partition(":")[0] for problem in refused.value.problems] == [
            "HOMEWARD_ENCRYPTION_KEY",
            "HOMEWARD_TOKEN_KEY",
            "HOMEWARD_DATABASE_URL",
        ]

    @pytest.mark.parametrize("key", ["plain words", base64.b64encode(b"short-and-s3cret").decode()])
    def test_never_repeats_a_key_that_it_refuses(self, key):
        with pytest.raises(SettingsInvalid) as refused:
            load_settings({**PRODUCTION, "HOMEWARD_TOKEN_KEY": key})

        assert refused.value.problems[0].startswith("HOMEWARD_TOKEN_KEY: must be 32 bytes")
        assert key not in str(refused.value)


class TestDatabaseUrlOf:
    def test_puts_the_owner_into_the_template(self):
        url = load_settings(PRODUCTION).database_url_of("intake")

        assert url == "postgresql+psycopg2://homeward:s3cret-base@db.clinic/homeward_intake"

    def test_prefers_the_owners_own_variable(self):
        own = "postgresql+psycopg2://elsewhere/aftercare"

        settings = load_settings({**PRODUCTION, "HOMEWARD_DATABASE_URL_AFTERCARE": own})

        assert settings.database_url_of("aftercare") == own
        assert settings.database_url_of("intake").endswith("homeward_intake")

    def test_gives_the_clock_a_database_like_the_others_unless_told(self):
        assert load_settings(PRODUCTION).database_url_of("clock").endswith("homeward_clock")

        own = "postgresql+psycopg2://elsewhere/time"
        settings = load_settings({**PRODUCTION, "HOMEWARD_CLOCK_DATABASE_URL": own})
        assert settings.database_url_of("clock") == own

    def test_says_what_is_missing(self):
        with pytest.raises(SettingsInvalid, match="HOMEWARD_DATABASE_URL"):
            Settings().database_url_of("intake")


class TestDescribeSettings:
    def test_shows_no_secret(self):
        settings = load_settings(
            {
                **PRODUCTION,
                "HOMEWARD_DATABASE_URL_GATEWAY": (
                    "postgresql+psycopg2:///gateway?host=/run/pg&password=s3cret-third&user=homeward"
                ),
            }
        )

        shown = "\n".join(line.shown for line in describe_settings(settings))

        assert "s3cret" not in shown
        assert KEY not in shown
        assert "rabbit.clinic" in shown
        assert "host=/run/pg" in shown

    def test_tells_what_was_changed(self):
        lines = {line.variable: line for line in describe_settings(load_settings({"HOMEWARD_PORT": "9100"}))}

        assert not lines["HOMEWARD_PORT"].is_default
        assert lines["HOMEWARD_PORT"].shown == "9100"
        assert lines["HOMEWARD_PREFETCH"].is_default

    def test_has_a_sentence_for_every_variable(self):
        assert all(line.description.endswith(".") for line in describe_settings(Settings()))


class TestEnvironmentOf:
    def test_gives_another_process_the_same_settings(self):
        settings = load_settings(
            {
                **PRODUCTION,
                "HOMEWARD_TIME_ZONES": "America/Denver,America/New_York",
                "HOMEWARD_DATABASE_URL_INTAKE": "postgresql+psycopg2://elsewhere/intake",
            }
        )

        assert load_settings(environment_of(settings)) == settings


class TestUnknownVariables:
    def test_finds_a_slip_of_the_pen(self):
        assert unknown_variables({"HOMEWARD_PROT": "9100", "HOMEWARD_PORT": "1", "HOME": "/"}) == [
            "HOMEWARD_PROT"
        ]
