"""Read a request to the API, and write an answer as JSON."""

from typing import Any
from urllib.parse import unquote_plus

import orjson
from aiohttp import web

from homing.emulators.intake import RECORDED
from homing.emulators.ledger import RecordedRequest
from homing.emulators.sendgrid.errors import ApiError, MarketingRefused, Refused


def recorded(request: web.Request) -> RecordedRequest:
    """Return the ledger's row of a request to the API."""
    return request[RECORDED]


def json_object(request: web.Request) -> dict[str, Any]:
    """
    Decode the body.

    Raises:
        Refused: It is no JSON object.
    """
    try:
        decoded = orjson.loads(recorded(request).body)
    except orjson.JSONDecodeError as error:
        raise Refused(400, ApiError("Bad Request")) from error
    if not isinstance(decoded, dict):
        raise Refused(400, ApiError("Bad Request"))
    return decoded


def last_segment(request: web.Request) -> str:
    """
    Decode the last part of the path, an address.

    A ``+`` that is not percent-encoded is read as a space, which is why it has
    to be encoded.
    """
    return unquote_plus(request.rel_url.raw_path.rpartition("/")[2]).lower()


def whole_number(request: web.Request, name: str, *, default: int | None) -> int | None:
    """
    Read a query parameter.

    Raises:
        Refused: It is no whole number.
    """
    text = request.query.get(name)
    if text is None:
        return default
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise Refused(400, ApiError(f"{name} should be an integer", name))
    return int(text)


def listed_ids(request: web.Request, name: str) -> list[str]:
    """
    Read ids that a query parameter lists, separated by commas; each once.

    Raises:
        MarketingRefused: There are none.
    """
    contact_ids = list(dict.fromkeys(i for i in request.query.get(name, "").split(",") if i))
    if not contact_ids:
        raise MarketingRefused(400, ApiError(f"{name} is required", name))
    return contact_ids


def answered(value: object, status: int = 200) -> web.Response:
    """Answer with JSON."""
    return web.Response(status=status, body=orjson.dumps(value), content_type="application/json")
