"""
SendGrid's own OpenAPI files as a judge of requests and answers.

The files are not part of this repository: ``$HOMING_SENDGRID_SPECS`` names the
folder that holds ``tsg_*.json``. Without it the checks skip; with it they never
do. What the files get wrong is mended on loading, each place by name (`MENDS`).
"""

import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final, Protocol, TypeAlias
from urllib.parse import parse_qsl, unquote

import pytest
from jsonschema import Draft202012Validator, FormatChecker  # type: ignore[import-untyped]
from referencing import Registry
from referencing.jsonschema import DRAFT202012

VARIABLE: Final = "HOMING_SENDGRID_SPECS"
METHODS: Final = ("get", "post", "put", "patch", "delete")

Node: TypeAlias = Any


class Exchange(Protocol):
    """A recorded request with its answer, as the emulators' ledger has it."""

    method: str
    path: str
    body: bytes
    fault: str | None
    status: int | None
    answer_headers: Mapping[str, str]
    answer_body: bytes


def available() -> bool:
    """Tell whether the files are there to check with."""
    return VARIABLE in os.environ


def assert_request_valid(method: str, path: str, body: bytes = b"") -> None:
    """
    Assert that a request is one the specification knows: path, query and body.

    Args:
        path: As on the request line, with the query.

    Raises:
        AssertionError: It is not; the text says where.
    """
    operation, values = _found(method, path)
    problems = [
        f"{name}: {problem}"
        for name, schema in operation.path_schemas.items()
        for problem in _problems(schema, values[name])
    ]
    problems += _query_problems(operation, path)
    if operation.body_schema is not None:
        problems += _body_problems(operation.body_schema, body)
    assert not problems, f"{method} {path} is no valid request:\n  " + "\n  ".join(problems)


def assert_response_valid(
    method: str,
    path: str,
    status: int,
    body: bytes = b"",
    headers: Mapping[str, str] | None = None,
) -> None:
    """
    Assert that an answer is one the specification describes.

    An error status that an operation does not list is held to be the API's
    common error body.

    Raises:
        AssertionError: It is not; the text says where.
    """
    operation, _ = _found(method, path)
    schema = operation.answers.get(str(status), ERROR if status >= 400 else UNDESCRIBED)
    assert schema is not UNDESCRIBED, f"{method} {path} has no answer {status}"
    problems = _body_problems(schema, body) if schema is not None else []
    if operation.template == "/v3/mail/send" and status == 202:
        problems += [] if (headers or {}).get("X-Message-Id") else ["no X-Message-Id"]
        problems += [] if not body else ["a body beside 202"]
    assert not problems, f"{method} {path} answered {status} wrongly:\n  " + "\n  ".join(problems)


def assert_exchanges_valid(exchanges: Iterable[Exchange]) -> None:
    """
    Assert that recorded requests are valid, and the answers to them.

    Requests that were refused as invalid are not checked, nor are the answers
    of faults: they are wrong on purpose.
    """
    for exchange in exchanges:
        if exchange.status not in {400, 404, 405, 413, 415}:
            assert_request_valid(exchange.method, exchange.path, exchange.body)
        if exchange.fault is None and exchange.status is not None:
            assert_response_valid(
                exchange.method,
                exchange.path,
                exchange.status,
                exchange.answer_body,
                exchange.answer_headers,
            )


# ---------------------------------------------------------------- the files


@dataclass(frozen=True, slots=True)
class Operation:
    """One method on one path."""

    template: str
    pattern: re.Pattern[str]
    path_schemas: Mapping[str, Node]
    query_schemas: Mapping[str, Node]
    query_required: frozenset[str]
    body_schema: Node | None
    answers: Mapping[str, Node | None]


UNDESCRIBED: Final = object()
ERROR: Final[Node] = {
    "type": "object",
    "required": ["errors"],
    "properties": {
        "errors": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["message"],
                "properties": {
                    "message": {"type": "string"},
                    "field": {"type": ["string", "null"]},
                    "help": {"type": ["string", "null"]},
                },
            },
        }
    },
}


@cache
def _documents() -> Mapping[str, Node]:
    if not available():
        pytest.skip(f"${VARIABLE} does not name a folder with SendGrid's OpenAPI files")
    paths = sorted(Path(os.environ[VARIABLE]).glob("tsg_*.json"))
    assert paths, f"${VARIABLE} names a folder without OpenAPI files"
    documents = {path.stem: json.loads(path.read_text("utf-8")) for path in paths}
    for mend in MENDS:
        mend(documents)
    return {name: _absolute(name, _nullable(document)) for name, document in documents.items()}


@cache
def _registry() -> Registry[Node]:
    return Registry().with_resources(
        (f"urn:{name}", DRAFT202012.create_resource(document))
        for name, document in _documents().items()
    )


@cache
def _operations() -> Mapping[str, tuple[Operation, ...]]:
    by_method: dict[str, list[Operation]] = {method.upper(): [] for method in METHODS}
    for document in _documents().values():
        for template, item in document["paths"].items():
            for method in METHODS:
                if method in item:
                    operation = _operation(document, template, item=item, node=item[method])
                    by_method[method.upper()].append(operation)
    # Fewer placeholders first: /global is not somebody's address.
    return {
        method: tuple(sorted(operations, key=lambda operation: len(operation.path_schemas)))
        for method, operations in by_method.items()
    }


def _operation(document: Node, template: str, *, item: Node, node: Node) -> Operation:
    parameters = [
        _resolved(document, parameter)
        for parameter in (*item.get("parameters", ()), *node.get("parameters", ()))
    ]
    names = re.findall(r"{(\w+)}", template)
    body = _resolved(document, node.get("requestBody", {}))
    in_query = [parameter for parameter in parameters if parameter["in"] == "query"]
    return Operation(
        template=template,
        pattern=re.compile(re.sub(r"{(\w+)}", r"(?P<\1>[^/]+)", template)),
        path_schemas={name: {} for name in names}
        | {p["name"]: p["schema"] for p in parameters if p["in"] == "path"},
        query_schemas={p["name"]: p["schema"] for p in in_query},
        query_required=frozenset(p["name"] for p in in_query if p.get("required")),
        body_schema=_json_schema(body),
        answers={
            status: _json_schema(_resolved(document, answer))
            for status, answer in node["responses"].items()
        },
    )


def _json_schema(node: Node) -> Node | None:
    schema: Node | None = node.get("content", {}).get("application/json", {}).get("schema")
    return schema


def _resolved(document: Node, node: Node) -> Node:
    while "$ref" in node:
        target = document
        for step in node["$ref"].partition("#/")[2].split("/"):
            target = target[step]
        node = target
    return node


def _found(method: str, path: str) -> tuple[Operation, Mapping[str, str]]:
    plain = path.partition("?")[0]
    for operation in _operations()[method.upper()]:
        matched = operation.pattern.fullmatch(plain)
        if matched:
            values = {name: unquote(value) for name, value in matched.groupdict().items()}
            return operation, values
    msg = f"{method} {plain} is in none of the OpenAPI files"
    raise AssertionError(msg)


def _query_problems(operation: Operation, path: str) -> Iterator[str]:
    query = parse_qsl(path.partition("?")[2], keep_blank_values=True)
    for name in operation.query_required - dict(query).keys():
        yield f"the query has no {name}"
    for name, text in query:
        schema = operation.query_schemas.get(name)
        if schema is None:
            yield f"{name} is no query parameter"
            continue
        yield from (f"{name}: {p}" for p in _problems(schema, _query_value(schema, text)))


def _query_value(schema: Node, text: str) -> str | int | bool:
    kind = schema.get("type")
    if kind in {"integer", "number"} and text.lstrip("-").isdigit():
        return int(text)
    return text == "true" if kind == "boolean" and text in {"true", "false"} else text


def _body_problems(schema: Node, body: bytes) -> list[str]:
    try:
        value = json.loads(body)
    except ValueError as error:
        return [f"the body is no JSON: {error}"]
    return list(_problems(schema, value))


def _problems(schema: Node, value: object) -> Iterator[str]:
    validator = Draft202012Validator(
        schema, registry=_registry(), format_checker=FormatChecker(["email", "uuid"])
    )
    for error in validator.iter_errors(value):
        yield f"{error.json_path}: {error.message[:300]}"


# ---------------------------------------------------------------- what the files get wrong


def _absolute(name: str, node: Node) -> Node:
    """Make references name their document, so that every schema stands alone."""
    if isinstance(node, dict):
        return {
            key: f"urn:{name}{value}" if key == "$ref" else _absolute(name, value)
            for key, value in node.items()
        }
    return [_absolute(name, value) for value in node] if isinstance(node, list) else node


def _nullable(node: Node) -> Node:
    """Read ``nullable: true``, which OpenAPI 3.1 does not have, as it was meant."""
    if isinstance(node, dict):
        mended = {key: _nullable(value) for key, value in node.items()}
        if mended.get("nullable") is True and isinstance(mended.get("type"), str):
            mended["type"] = [mended["type"], "null"]
        return mended
    return [_nullable(value) for value in node] if isinstance(node, list) else node


def _mend_mail(documents: Node) -> None:
    """Type custom_args, demand recipients, and refuse properties nobody described."""
    mail = documents["tsg_mail_v3"]
    body = mail["components"]["requestBodies"]["PostMailSend"]["content"]["application/json"]
    schema = body["schema"]
    texts = {"type": "object", "additionalProperties": {"type": "string"}}
    block = schema["properties"]["personalizations"]["items"]
    schema["properties"]["custom_args"] = texts
    block["properties"]["custom_args"] = texts
    schema["properties"]["headers"] = block["properties"]["headers"] = texts
    schema["properties"]["personalizations"]["minItems"] = 1
    block["properties"]["to"]["minItems"] = 1
    _close(schema)
    # Sandbox mode answers 200, which only the guide says.
    mail["paths"]["/v3/mail/send"]["post"]["responses"]["200"] = {"description": "valid"}


def _close(schema: Node) -> None:
    if isinstance(schema, dict):
        if "properties" in schema and "additionalProperties" not in schema:
            schema["additionalProperties"] = False
        for value in schema.values():
            _close(value)
    elif isinstance(schema, list):
        for value in schema:
            _close(value)


def _mend_errors(documents: Node) -> None:
    """``help`` is text or null in every answer seen, not an object."""
    for document in documents.values():
        schemas = document.get("components", {}).get("schemas", {})
        if "errors" in schemas.get("ErrorResponse", {}).get("properties", {}):
            schemas["ErrorResponse"] = ERROR


def _mend_templates(documents: Node) -> None:
    """A dynamic template's id is ``d-`` and 32 hex digits: 34 characters, and no UUID."""
    schemas = documents["tsg_templates_v3"]["components"]["schemas"]
    for name in ("TransactionalTemplate", "TransactionalTemplatesTemplateLean"):
        schemas[name]["properties"]["id"] = {"type": "string", "minLength": 34, "maxLength": 36}


def _mend_suppressions(documents: Node) -> None:
    """Drop the header parameter ``Accept``; ``{}`` answers for who is not suppressed."""
    paths = documents["tsg_suppressions_v3"]["paths"]
    for item in paths.values():
        for node in item.values():
            if isinstance(node, dict) and "parameters" in node:
                node["parameters"] = [p for p in node["parameters"] if p.get("name") != "Accept"]
    found = paths["/v3/asm/suppressions/global/{email}"]["get"]["responses"]["200"]
    del found["content"]["application/json"]["schema"]["required"]


def _mend_contacts(documents: Node) -> None:
    """A job id is text; ``w1`` is an example; addresses have longer top-level domains."""
    for node in _walk(documents["tsg_mc_contacts_v3"]):
        properties = node.get("properties")
        if isinstance(properties, dict):
            properties.pop("w1", None)
            if properties.get("job_id", {}).get("type") == "object":
                properties["job_id"] = {"type": "string"}
            emails = properties.get("emails", {})
            if emails.get("items", {}).get("maxLength") == 100:
                emails["items"]["maxLength"] = 254
        patterns = node.get("patternProperties")
        if isinstance(patterns, dict):
            (schema,) = patterns.values()
            node["patternProperties"] = {"@": schema}


def _mend_lists(documents: Node) -> None:
    """Errors are the API's common ones; 204 has no body."""
    paths = documents["tsg_mc_lists_v3"]["paths"]
    one, members = paths["/v3/marketing/lists/{id}"], paths["/v3/marketing/lists/{id}/contacts"]
    common = {"content": {"application/json": {"schema": ERROR}}}
    one["get"]["responses"]["404"] = members["delete"]["responses"]["400"] = common
    one["delete"]["responses"]["204"] = {"description": "deleted"}
    found = "/v3/marketing/contacts/search/identifiers/{identifier_type}"
    answers = documents["tsg_mc_contacts_v3"]["paths"][found]["post"]["responses"]
    answers["400"] = answers["404"] = common


def _walk(node: Node) -> Iterator[dict[str, Node]]:
    if isinstance(node, dict):
        yield node
        for value in list(node.values()):
            yield from _walk(value)
    elif isinstance(node, list):
        for value in node:
            yield from _walk(value)


MENDS: Final[tuple[Callable[[Node], None], ...]] = (
    _mend_mail,
    _mend_errors,
    _mend_templates,
    _mend_suppressions,
    _mend_contacts,
    _mend_lists,
)
