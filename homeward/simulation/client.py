"""Speaks to the gateway over HTTP as every partner does: tokens, idempotency keys, problem details."""

import itertools
import json
import secrets
import time
from collections import Counter
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

import orjson
import urllib3

#: Requests at once, and connections kept open for them.
CONNECTIONS = 6

#: Seconds to wait for an answer; a jump of the clock waits until the whole system is quiet.
TIMEOUT_SECONDS = 120.0

#: How often a request is sent again when the door says "not now", and the longest pause between.
TRIES = 6
LONGEST_PAUSE_SECONDS = 5.0

#: Status with which the door says "not now": the same command id makes trying again harmless.
NOT_NOW = (429, 503)

#: Code of the conflict that says the same: the first of two equal requests is still under way.
STILL_RUNNING = "still_running"


class Refused(Exception):
    """Raised when the gateway refused a request, with its problem document."""

    def __init__(self, status: int, problem: Mapping[str, Any], what: str) -> None:
        """Keep the problem; *what* names the request without ids."""
        super().__init__(f"{what}: {status} {problem.get('code', '')} {problem.get('detail', '')}")
        self.status = status
        self.problem = problem
        self.code = str(problem.get("code", status))
        self.what = what


class Unreachable(Exception):
    """Raised when nobody answers at the gateway's address, or not sensibly."""


class Gateway:
    """A partner's connection to one gateway, with a token for each role."""

    def __init__(self, url: str, tokens: Mapping[str, str]) -> None:
        """Connect lazily to *url* with the tokens by role."""
        self._url = url.rstrip("/")
        self._tokens = tokens
        # One host, and nothing else to decide for each request.
        self._pool = urllib3.connection_from_url(url, maxsize=CONNECTIONS, block=True)
        self._base = urllib3.util.parse_url(self._url).path or ""
        # A run's keys are its own, so that a second run is not answered with the first one's answers.
        self._run = secrets.token_hex(8)
        self._numbers = itertools.count(1)
        self.requests = 0
        self.refusals: Counter[str] = Counter()

    def get(self, path: str, *, role: str, **query: Any) -> Any:
        """Ask a question and return the answer."""
        given = {name: value for name, value in query.items() if value is not None}
        address = f"{path}?{urlencode(given)}" if given else path
        return self._send("GET", address, role=role, what=f"GET {_shape(path)}")

    def list_all(self, path: str, *, role: str, page: int, **query: Any) -> list[Any]:
        """Return the items of all pages of a listing.

        :param page: how many items are asked for at once.
        """
        found: list[Any] = []
        after = None
        while True:
            answer = self.get(path, role=role, after=after, limit=page, **query)
            found += answer["items"]
            after = answer["next"]
            if after is None:
                return found

    def post(self, path: str, body: Mapping[str, Any], *, role: str, tolerate: tuple[str, ...] = ()) -> Any:
        """Send a command and return its answer; None when refused with a code that is tolerated.

        :raises Refused: when the gateway refuses it otherwise.
        """
        try:
            return self._send("POST", path, role=role, what=f"POST {_shape(path)}", body=body)
        except Refused as refusal:
            if refusal.code not in tolerate:
                raise
            self.refusals[f"{refusal.what} {refusal.status} {refusal.code}"] += 1
            return None

    def _send(
        self, method: str, path: str, *, role: str, what: str, body: Mapping[str, Any] | None = None
    ) -> Any:
        headers = {"Authorization": f"Bearer {self._tokens[role]}", "Accept": "application/json"}
        payload = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            headers["Idempotency-Key"] = f"simulation-{self._run}-{next(self._numbers)}"
            payload = orjson.dumps(body)
        for attempt in range(1, TRIES + 1):
            response = self._request(method, path, headers, payload)
            if not _says_not_now(response) or attempt == TRIES:
                break
            pause = float(response.headers.get("Retry-After") or 0.2 * attempt)
            time.sleep(min(pause, LONGEST_PAUSE_SECONDS))
        if response.status >= 400 or _asks_for_it_again(response):
            raise Refused(response.status, _problem_of(response.data), what)
        try:
            return orjson.loads(response.data) if response.data else None
        except orjson.JSONDecodeError:
            raise Unreachable(f"What answers at {self._url} is no Homeward.") from None

    def _request(
        self, method: str, path: str, headers: Mapping[str, str], payload: bytes | None
    ) -> urllib3.BaseHTTPResponse:
        self.requests += 1
        try:
            return self._pool.urlopen(
                method,
                self._base + path,
                body=payload,
                headers=headers,
                timeout=TIMEOUT_SECONDS,
                retries=False,
                redirect=False,
            )
        except urllib3.exceptions.HTTPError as error:
            raise Unreachable(f"{self._url} does not answer: {type(error).__name__}") from None


def _says_not_now(response: urllib3.BaseHTTPResponse) -> bool:
    if response.status in NOT_NOW or _asks_for_it_again(response):
        return True
    return response.status == 409 and _problem_of(response.data).get("code") == STILL_RUNNING


def _asks_for_it_again(response: urllib3.BaseHTTPResponse) -> bool:
    """Tell whether a danger in the request was heard, and nothing else of it taken in."""
    return response.status == HTTPStatus.ACCEPTED and bool(_problem_of(response.data).get("send_again"))


def _problem_of(data: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(data)
    except ValueError:
        return {"detail": data[:200].decode("utf-8", "replace")}
    return found if isinstance(found, dict) else {}


def _shape(path: str) -> str:
    """Replace the ids in a path, so that requests to the same route are named alike."""
    return "/".join("*" if len(part) == 36 and part.count("-") == 4 else part for part in path.split("/"))
