"""Queries of a TAP service (IVOA Table Access Protocol 1.1) that survive what happens between here and there.

pyvo speaks the protocol; added is patience (time-outs, 5xx, broken connections and half documents are tried again),
and suspicion: an answer is complete, or known to be cut (QUERY_STATUS = OVERFLOW, or as many rows as were allowed).
"""

from __future__ import annotations

import re
import time
import warnings
from collections.abc import Callable
from io import BytesIO
from typing import Any, NamedTuple

from astropy.table import Table

LONGEST_WAIT = 60.0  # s


class Answer(NamedTuple):
    """What a query gave.

    Attributes:
        body: The VOTable as it came.
        table: Its rows.
        cut: Whether there are more rows than were sent.
    """

    body: bytes
    table: Table
    cut: bool


class _Transient(Exception):
    """Worth another try; ``wait`` is what the server asks for, in seconds."""

    def __init__(self, reason: str, wait: float = 0.0) -> None:
        super().__init__(reason)
        self.wait = wait


class TapClient:
    """A TAP service, asked synchronously and without credentials.

    Args:
        url: Of the service, without ``/sync``.
        timeout: Seconds without a byte after which a request is given up.
        tries: Requests a query, at most.
        wait: Seconds before the second try; each further one waits twice as long, up to a minute.
        sleep: Waits; tests give another.
    """

    def __init__(
        self,
        url: str,
        timeout: float = 120.0,
        tries: int = 6,
        wait: float = 2.0,
        sleep: Callable[[float], Any] = time.sleep,
    ) -> None:
        if tries < 1 or timeout <= 0:
            raise ValueError(f"tries {tries} and timeout {timeout} s must be positive")
        self.url, self.timeout, self.tries, self.wait, self.sleep = url.rstrip("/"), timeout, tries, wait, sleep
        self._service: Any = None

    def query(self, adql: str, max_rows: int) -> Answer:
        """The answer to a query.

        Raises:
            ValueError: The service refuses the query; its own words are in the message.
            ConnectionError: It did not answer completely, as often as it was tried.
            ImportError: pyvo is not installed.
        """
        reason, wait = "", self.wait
        for number in range(self.tries):
            if number:
                self.sleep(wait)
            try:
                return self._ask(adql, max_rows)
            except _Transient as error:
                reason = str(error)
                wait = min(max(self.wait * 2**number, error.wait), LONGEST_WAIT)
        raise ConnectionError(
            f"{self.url}: {reason}, {self.tries} times in a row; what was received is kept: run the same command again"
        )

    def _ask(self, adql: str, max_rows: int) -> Answer:
        import requests

        try:
            response = self._connection().create_query(adql, maxrec=max_rows).submit()
            body = response.content
        except (
            requests.exceptions.InvalidURL,
            requests.exceptions.InvalidSchema,
            requests.exceptions.MissingSchema,
        ) as e:
            raise ValueError(f"{self.url}: {e}; give the address of a TAP service") from None
        except requests.exceptions.Timeout:
            raise _Transient(f"no answer within {self.timeout:g} s") from None
        except requests.exceptions.RequestException as error:
            slow = "timed out" in str(error).lower()
            raise _Transient(f"no answer within {self.timeout:g} s" if slow else _cause(error)) from None
        if response.status_code >= 500 or response.status_code in (408, 429):
            said = _said(body)
            raise _Transient(f"HTTP {response.status_code}{said and f' ({said})'}", _retry_after(response.headers))
        return self._read(body, response.status_code, max_rows)

    def _read(self, body: bytes, status_code: int, max_rows: int) -> Answer:
        from astropy.io import votable

        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # the archive's units and dates are not those of the standard
                document = votable.parse(BytesIO(body), verify="ignore")
        except Exception as error:  # of the XML parser, or of any of its readers
            if status_code >= 400:
                raise ValueError(f"{self.url}: HTTP {status_code}: {_said(body)}") from None
            reason = " ".join(str(error).split())[:80]
            raise _Transient(f"an answer that is no complete VOTable ({reason})") from None
        status, message = _status(document)
        if status == "ERROR" or status_code >= 400:
            raise ValueError(f"{self.url}: the service refuses the query: {message or f'HTTP {status_code}'}")
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                table = document.get_first_table().to_table(use_names_over_ids=True)
        except (IndexError, StopIteration):
            raise _Transient("an answer without a table") from None
        return Answer(body, table, status == "OVERFLOW" or len(table) >= max_rows)

    def _connection(self) -> Any:
        """The service of pyvo, with a session that does not wait for ever."""
        if self._service is not None:
            return self._service
        try:
            import pyvo.dal
        except ImportError:
            raise ImportError('TAP needs pyvo: pip install "hf-galaxy[surveys]"') from None
        from requests import Session
        from requests.adapters import HTTPAdapter

        timeout = self.timeout

        class Impatient(HTTPAdapter):
            def send(self, request: Any, **keywords: Any) -> Any:
                keywords["timeout"] = timeout
                return super().send(request, **keywords)

        session = Session()
        session.mount("http://", Impatient())
        session.mount("https://", Impatient())
        self._service = pyvo.dal.TAPService(self.url, session=session)
        return self._service


def _status(document: Any) -> tuple[str, str]:
    """The worst QUERY_STATUS of a VOTable and its text; it stands before the table, after it, or both."""
    infos = [*document.infos, *(i for r in document.resources for i in r.infos)]
    infos += [info for table in document.iter_tables() for info in table.infos]
    found = {
        (i.value or "").upper(): (i.content or "").strip() for i in infos if (i.name or "").upper() == "QUERY_STATUS"
    }
    status = next((s for s in ("ERROR", "OVERFLOW") if s in found), "OK")
    return status, " ".join(found.get(status, "").split())


def _cause(error: BaseException) -> str:
    """The innermost reason of a failed request, in few words."""
    text = " ".join(str(error).split())
    inner = re.findall(r"\[Errno -?\d+\] ([^'\"()]+)|(IncompleteRead\([^)]*\))|(Connection [a-z ]+)", text)
    words = next((part for groups in inner[::-1] for part in groups if part), text)
    return f"no complete answer ({words.strip()[:100]})"


def _said(body: bytes) -> str:
    """Readable text of an error page."""
    text = re.sub(r"<[^>]*>", " ", body.decode("utf-8", "replace"))
    return " ".join(text.split())[:200]


def _retry_after(headers: Any) -> float:
    value = headers.get("Retry-After", "")
    return float(value) if value.isdigit() else 0.0


__all__ = ["Answer", "TapClient"]
