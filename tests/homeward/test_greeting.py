"""What a newcomer sees."""

import pytest

from homeward.greeting import url_at


class TestUrlAt:
    @pytest.mark.parametrize(
        ("host", "url"),
        [
            ("127.0.0.1", "http://127.0.0.1:8000"),
            ("homeward.example", "http://homeward.example:8000"),
            ("0.0.0.0", "http://127.0.0.1:8000"),
            ("::", "http://[::1]:8000"),
            ("fd00::7", "http://[fd00::7]:8000"),
        ],
    )
    def test_is_one_that_a_request_can_be_sent_to(self, host: str, url: str) -> None:
        assert url_at(host, 8000) == url
