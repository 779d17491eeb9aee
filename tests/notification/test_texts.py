"""What a text may say, and what a code may look like."""

import re

import pytest

from shared.discretion import REVEALING_WORDS, reveals
from shared.notification.addresses import AddressUnusable, read_address
from shared.notification.templates import TEMPLATES, check, language_for
from shared.settings import SettingsInvalid
from tests.support import settings_for_tests


class TestTexts:
    @pytest.mark.parametrize(
        ("name", "language"),
        [(name, language) for name in TEMPLATES for language in TEMPLATES[name].languages],
    )
    def test_reveal_nothing_to_whoever_looks_over_a_shoulder(self, name, language):
        template = TEMPLATES[name]
        codes = dict.fromkeys(template.codes, "E4")

        wording = template.wording(language)
        text = f"{wording.subject}\n{wording.body(codes)}"

        assert not reveals(text), [word for word in REVEALING_WORDS if word in text.lower()]

    @pytest.mark.parametrize("name", TEMPLATES)
    def test_are_filled_in_by_their_own_codes_alone(self, name):
        template = TEMPLATES[name]

        wanted = set(re.findall(r"{(\w+)}", "".join(template.lines)))

        assert wanted == set(template.codes)
        assert "{" not in template.subject

    def test_leave_out_the_lines_whose_code_is_not_given(self):
        body = TEMPLATES["STAFF_PAGE"].body({"level": "E4"})

        assert "Level: E4" in body
        assert "Reference" not in body

    def test_to_patients_carry_no_code_at_all(self):
        assert all(not template.codes for template in TEMPLATES.values() if not template.for_staff)

    def test_to_patients_are_there_in_spanish_as_well_and_say_as_much(self):
        for template in TEMPLATES.values():
            if not template.for_staff:
                spanish = template.wording("ES")
                assert spanish.subject != template.subject
                assert len(spanish.lines) == len(template.lines)

    @pytest.mark.parametrize("language", [None, "EN", "KM", "es"])
    def test_are_in_english_where_there_is_no_other(self, language):
        template = TEMPLATES["PLEASE_CALL_US"]

        assert template.wording(language).subject == template.subject
        assert language_for("PLEASE_CALL_US", language) == "EN"

    @pytest.mark.parametrize(
        "telling",
        [
            "Opioid Care",
            "Your RECOVERY team",
            "overdose",
            "Homeward",
            "Su tratamiento",
            "Centro de Adicciones",
        ],
    )
    def test_that_tell_are_recognised(self, telling):
        assert reveals(telling)


class TestCodes:
    @pytest.mark.parametrize(
        ("template", "codes"),
        [
            ("HELLO", {}),
            ("STAFF_PAGE", {"name": "Alex"}),
            ("PLEASE_CALL_US", {"reference": "7f3a"}),
            ("STAFF_PAGE", {"reference": "<b>Alex</b>"}),
            ("STAFF_PAGE", {"reference": "she said that she wants to die today"}),
            ("STAFF_PAGE", {"reference": "a\nb"}),
            ("STAFF_PAGE", {"reference": ""}),
        ],
    )
    def test_that_are_not_on_the_list_are_refused(self, template, codes):
        with pytest.raises(ValueError):
            check(template, codes)

    def test_of_a_page_are_taken(self):
        check("STAFF_PAGE", {"reference": "7f3a91c2", "level": "E4", "acknowledge_by": "02:05 CST"})


class TestAddresses:
    @pytest.mark.parametrize(
        ("text", "channel", "target"),
        [
            ("mailto:night.nurse@example.org", "EMAIL", "night.nurse@example.org"),
            ("https://pager.example.org/a?b=c", "WEBHOOK", "https://pager.example.org/a?b=c"),
        ],
    )
    def test_are_read(self, text, channel, target):
        found = read_address(text)

        assert (found.channel, found.target) == (channel, target)

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "nurse@example.org",
            "mailto:",
            "mailto:nurse",
            "mailto:a@example.org,b@example.org",
            "mailto:a@example.org%0d%0aBcc:b@example.org",
            "mailto:a@example.org?cc=b@example.org",
            "ftp://example.org/x",
            "https://",
            "https://name:password@example.org/",
            "https://example.org:99999/",
            "https://exa mple.org/",
            "https://example.org/\r\nHost: other",
            "tel:+15550100",
        ],
    )
    def test_that_lead_nowhere_are_refused_without_being_quoted(self, text):
        with pytest.raises(AddressUnusable) as refusal:
            read_address(text)

        assert len(text) < 8 or text not in str(refusal.value)


class TestSender:
    @pytest.mark.parametrize(
        "sender",
        [
            "Lakeside Recovery <desk@example.org>",
            "Front Desk <desk@lakeside-rehab.example.org>",
            "Front Desk",
            "desk@",
        ],
    )
    def test_that_tells_or_is_none_is_refused_at_start(self, sender):
        with pytest.raises(SettingsInvalid, match="HOMEWARD_MAIL_FROM"):
            settings_for_tests(HOMEWARD_MAIL_FROM=sender)

    def test_is_needed_where_there_is_a_mail_server(self):
        with pytest.raises(SettingsInvalid, match="HOMEWARD_MAIL_FROM"):
            settings_for_tests(HOMEWARD_SMTP_URL="smtp://127.0.0.1:2525")

    def test_may_be_an_innocent_one(self):
        settings = settings_for_tests(HOMEWARD_MAIL_FROM="Front Desk <desk@lakeside.example.org>")

        assert settings.mail_from == "Front Desk <desk@lakeside.example.org>"


class TestFallbackAddresses:
    def test_are_told_by_tenant(self):
        settings = settings_for_tests(
            HOMEWARD_FALLBACK_PAGE="lakeside=mailto:a@example.org https://p.example.org/x,demo=mailto:b@example.org"
        )

        assert settings.fallback_addresses_of("lakeside") == (
            "mailto:a@example.org",
            "https://p.example.org/x",
        )
        assert settings.fallback_addresses_of("demo") == ("mailto:b@example.org",)
        assert settings.fallback_addresses_of("elsewhere") == ()

    @pytest.mark.parametrize(
        "text", ["lakeside", "lakeside=", "lakeside=tel:911", "La Ke=mailto:a@example.org"]
    )
    def test_that_lead_nowhere_are_refused_at_start(self, text):
        with pytest.raises(SettingsInvalid, match="HOMEWARD_FALLBACK_PAGE"):
            settings_for_tests(HOMEWARD_FALLBACK_PAGE=text)
