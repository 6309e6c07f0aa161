"""
Versions of journeys that are kept: a run stays on the one it entered.

What is kept is the definition as it was written. The rest of the file is not kept with it: emails,
lists and groups that it names may be gone, and whoever runs it looks.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from pathlib import Path

import orjson

from homing.config.bodies import Bodies
from homing.config.checks import Written
from homing.config.documents import Document, Source, Values, reach
from homing.config.journey_checks import journey_findings
from homing.config.mappings import Mappings
from homing.config.parts import Parts
from homing.config.problems import ConfigError, Finding, Loc, Problem, expected
from homing.config.programs import program
from homing.config.shape import fit
from homing.core.journeys.program import Journey


def definition_of(document: Document, name: str) -> bytes:
    """
    Write the table of a journey, as its file has it, as JSON with its keys in order.

    Args:
        document: Without errors; with that the table has nothing but what JSON has.
    """
    table = reach(document.values, ("journey", name))
    return orjson.dumps(table, option=orjson.OPT_SORT_KEYS)


def program_of(name: str, text: bytes, version: str) -> Journey:
    """
    Compile what `definition_of` wrote, under the version it was kept by.

    Raises:
        ConfigError: It does not fit any more; each problem names the journey and the version.
    """
    document = _document(name, text, version)
    loc = ("journey", name)
    settings, findings = fit(document.values)
    journey = settings.journey.get(name)
    if journey is None:
        raise _unfit(document, findings, loc)
    findings += journey_findings(loc, journey, Written(document.values))
    parts = Parts(document, Mappings.of(settings, document), Bodies({}, ()))
    findings += parts.findings
    if findings:
        raise _unfit(document, findings, loc)
    return dataclasses.replace(program(name, journey, parts), version=version)


def with_policy(pinned: Journey, current: Journey | None) -> Journey:
    """
    Run an old version under what the configuration in force says of the journey of its name.

    Args:
        current: That journey; None: there is none any more, and what the old version said holds.
    """
    if current is None:
        return pinned
    return dataclasses.replace(
        pinned,
        status=current.status,
        priority=current.priority,
        quiet=current.quiet,
        max_lateness_ms=current.max_lateness_ms,
        consent=current.consent,
        description=current.description,
    )


def _document(name: str, text: bytes, version: str) -> Document:
    # It stands in no file; messages have this in the place of one.
    origin = Path(f"version {version} of journey {name}")
    try:
        table = orjson.loads(text)
    except ValueError as error:
        raise _no_definition(origin, str(error)) from None
    if not isinstance(table, dict):
        raise _no_definition(origin, "no table")
    values: Values = {"journey": {name: table}}
    return Document(origin, (Source(origin, "", values),), values)


def _no_definition(origin: Path, why: str) -> ConfigError:
    message = f"expected a definition in JSON, got something else: {why}"
    return ConfigError([Problem(origin, "", None, message)])


def _unfit(document: Document, findings: Iterable[Finding], loc: Loc) -> ConfigError:
    found = list(findings) or [Finding(loc, expected("a journey", "something else"))]
    return ConfigError(dict.fromkeys(map(document.problem, found)))
