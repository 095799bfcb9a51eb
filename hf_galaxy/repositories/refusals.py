"""What the Hub and the way to it refuse, in one line with what to do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from huggingface_hub import constants
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    HTTPError,
    LocalEntryNotFoundError,
    LocalTokenNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

LOGIN = "hf auth login, or set HF_TOKEN"


@contextmanager
def in_one_line(name: str, kind: str = "model", revision: str | None = None) -> Iterator[None]:
    """Turn whatever a call of the Hub raises into one line that names the repository and the remedy.

    Raises:
        ValueError: The Hub refuses, cannot be reached, or has no such thing.
    """
    try:
        yield
    except (HTTPError, HFValidationError, LocalTokenNotFoundError, LocalEntryNotFoundError, ConnectionError) as error:
        raise ValueError(f"{name}: {_reason(error, name, kind, revision)}") from error


def _reason(error: Exception, name: str, kind: str, revision: str | None) -> str:
    address = f"{constants.ENDPOINT}/{'' if kind == 'model' else f'{kind}s/'}{name}"
    if isinstance(error, HFValidationError):
        return f"is no Hub id, owner/name of letters, digits, - _ and . ({_first_line(error)})"
    if isinstance(error, LocalTokenNotFoundError):
        return f"nobody is logged in; {LOGIN}"
    if isinstance(error, GatedRepoError):
        return f"is gated; ask for access at {address}, then {LOGIN}"
    if isinstance(error, RevisionNotFoundError):
        return f"has no revision {revision or 'main'!r}; see {address}/tree/main for branches, tags and commits"
    if isinstance(error, RepositoryNotFoundError):
        folder = ", nor a folder of that name" if kind == "model" else ""
        return f"no such {kind} on {constants.ENDPOINT}{folder}, or a private one: check the name; if private, {LOGIN}"
    if isinstance(error, HfHubHTTPError) and error.response is not None:
        return _refused(error)
    if _offline(error):
        return "is not in the cache, and HF_HUB_OFFLINE forbids to fetch it; unset it, or give a folder"
    return (
        f"{constants.ENDPOINT} cannot be reached and the cache does not have it; see the connection ({_cause(error)})"
    )


def _refused(error: HfHubHTTPError) -> str:
    status, said = error.response.status_code, error.server_message or _first_line(error)
    if status == 401:
        return f"the Hub does not accept the token ({said}); {LOGIN}"
    if status == 403:
        return f"this login may not do that ({said}); {LOGIN} with a token that may write"
    if status in (409, 412):
        return f"was changed by somebody else meanwhile ({said}); look, and run this again"
    return f"the Hub answers {status} ({said}); {'try again later' if status >= 500 else 'see what it says'}"


def _offline(error: BaseException | None) -> bool:
    return error is not None and (isinstance(error, OfflineModeIsEnabled) or _offline(error.__cause__))


def _cause(error: BaseException) -> str:
    while error.__cause__ is not None:
        error = error.__cause__
    return _first_line(error)


def _first_line(error: BaseException) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)


__all__ = ["in_one_line"]
