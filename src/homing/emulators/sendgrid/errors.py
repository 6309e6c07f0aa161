"""Errors in the words and shapes of SendGrid's API."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import orjson
from aiohttp import web

from homing.emulators.faults import Answer

HELP: Final = "http://sendgrid.com/docs/API_Reference/Web_API_v3/Mail/errors.html#message."


@dataclass(frozen=True, slots=True)
class ApiError:
    """
    One entry of ``errors``.

    Args:
        field: Path like ``personalizations.0.to``; null for the request as a whole.

        help: Text or null.
    """

    message: str
    field: str | None = None
    help: str | None = None


class Refused(Exception):
    """A request that the API refuses, with the errors it names."""

    def __init__(self, status: int, *errors: ApiError) -> None:
        super().__init__("; ".join(error.message for error in errors))
        self.status = status
        self.errors = errors

    def response(self) -> web.Response:
        """Answer it."""
        return refused(self.status, *self.errors)


class MarketingRefused(Refused):
    """A request that a marketing service refuses: what an error does not have is left out."""

    def response(self) -> web.Response:
        """Answer it."""
        errors = [
            {"message": error.message} | ({"field": error.field} if error.field else {})
            for error in self.errors
        ]
        body = orjson.dumps({"errors": errors})
        return web.Response(status=self.status, body=body, content_type="application/json")


JSON_HEADERS: Final = {"Content-Type": "application/json"}

UNAUTHORIZED: Final = ApiError("authorization required")
FORBIDDEN: Final = ApiError("access forbidden")
NOT_FOUND: Final = ApiError("not found")
METHOD_NOT_ALLOWED: Final = ApiError("method not allowed")
TOO_LARGE: Final = ApiError("content too large")
TOO_MANY: Final = ApiError("too many requests")
UNVERIFIED_FROM: Final = ApiError(
    "The from address does not match a verified Sender Identity. Mail cannot be sent until this"
    " error is resolved. Visit https://sendgrid.com/docs/for-developers/sending-email/"
    "sender-identity/ to see the Sender Identity requirements",
    "from",
)


def answer(status: int, *errors: ApiError) -> Answer:
    """Spell an error answer out."""
    return Answer(status, error_body(errors), JSON_HEADERS)


def refused(status: int, *errors: ApiError) -> web.Response:
    """Answer with errors."""
    return web.Response(status=status, body=error_body(errors), content_type="application/json")


def error_body(errors: Sequence[ApiError]) -> bytes:
    """Encode ``{"errors": [{"message", "field", "help"}]}``."""
    return orjson.dumps({"errors": list(errors)})


#: What a load balancer says of an API that is down.
DOWN: Final = answer(503, ApiError("service unavailable"))

#: What the faults of the API answer without doing the work.
FAULT_ANSWERS: Final = {
    "429": answer(429, TOO_MANY),
    "401": answer(401, UNAUTHORIZED),
    "403-from": answer(403, UNVERIFIED_FROM),
    "500": answer(500, ApiError("internal server error")),
    # A gateway's page, not the API's JSON: whether the mail was taken is unknown.
    "502": Answer(
        502,
        b"<html><head><title>502 Bad Gateway</title></head></html>",
        {"Content-Type": "text/html"},
    ),
}
