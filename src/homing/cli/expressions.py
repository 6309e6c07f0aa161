"""``homing try``: a condition or a mapping on an event, without a service."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from homing.core.errors import HomingError

if TYPE_CHECKING:
    from homing.core.fql import Condition, Did
    from homing.core.mapping import Compiled

FIELDS: Final = {
    "result": "true or false of a condition, the value of a mapping; null when absent",
    "absent": "true of a mapping whose value is absent; else there is no such field",
    "error": "instead of result: what is wrong with the expression or the line",
    "explanation": "with --explain, of a condition: each clause, its verdict, its values",
}
KEPT = 4_096


@click.command("try")
@click.option("--when", metavar="FQL", help="A condition: prints true or false.")
@click.option("--map", "map_", metavar="JSON", help="A mapping: prints its value as JSON.")
@click.option("--jsonl", is_flag=True, help="Many: one JSON object a line, answered line by line.")
@click.option("--profile", type=click.Path(path_type=Path), help="The person's traits, as JSON.")
@click.option("--explain", is_flag=True, help="Say which clause was false, and of what values.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.argument("event", required=False, type=click.Path(path_type=Path, allow_dash=True))
def try_command(  # noqa: PLR0913  one an option
    *,
    when: str | None,
    map_: str | None,
    jsonl: bool,
    profile: Path | None,
    explain: bool,
    as_json: bool,
    event: Path | None,
) -> None:
    """
    Try a condition or a mapping on an event.

    EVENT is a file with one event as JSON; - is standard input. `$.profile` and `profile.` are
    what --profile says. did() counts this one event, and in_audience() knows what this one event
    says of membership.

    With --jsonl, EVENT (or standard input) has a line each {"when": … or "map": …, "event": …,
    "profile": …}, answered by {"result": …} or {"error": "…"}. A value that is absent is
    {"result": null, "absent": true}.
    """
    _check_options(when, map_, jsonl=jsonl, event=event)
    if jsonl:
        _answer_lines(event or Path("-"), explain=explain)
        return
    from homing.cli.reach import read_object

    assert event is not None  # noqa: S101  as checked
    case = Case(read_object(event), {} if profile is None else read_object(profile))
    answer = case.asked(when, _json(map_), explain=explain)
    if as_json:
        _write(answer)
    else:
        _answer_out(answer)


def _check_options(when: str | None, map_: str | None, *, jsonl: bool, event: Path | None) -> None:
    if [when is not None, map_ is not None, jsonl].count(True) != 1:
        msg = "say what to try: --when FQL, --map JSON, or --jsonl"
        raise click.UsageError(msg)
    if event is None and not jsonl:
        msg = "say on what: EVENT.json, or - for standard input"
        raise click.UsageError(msg)


def _json(text: str | None) -> Any:  # noqa: ANN401  JSON
    from homing.cli.main import BadInput

    if text is None:
        return None
    try:
        return json.loads(text)
    except ValueError as error:
        msg = f"--map: not JSON: {error}"
        raise BadInput(msg) from error


def _answer_out(answer: Mapping[str, Any]) -> None:
    from homing.core.wire import json_bytes

    if "explanation" in answer:
        click.echo(answer["explanation"])
    elif answer.get("absent"):
        click.echo("absent", err=True)
    else:
        click.echo(json_bytes(answer["result"]))


def _answer_lines(path: Path, *, explain: bool) -> None:
    with click.open_file(str(path), "rb") as lines:
        for line in lines:
            if line.strip():
                _write(_answer_to(line, explain=explain))


def _answer_to(line: bytes, *, explain: bool) -> dict[str, Any]:
    from homing.cli.reach import object_in

    try:
        asked = object_in(line, "line")
        case = Case(_object(asked, "event"), _object(asked, "profile"))
        if ("when" in asked) == ("map" in asked):
            return {"error": "expected either `when` or `map`"}
        when = asked.get("when")
        if "when" in asked and not isinstance(when, str):
            return {"error": "expected `when` to be text"}
        return case.asked(when, asked.get("map"), explain=explain)
    except HomingError as error:
        return {"error": str(error)}


def _object(asked: Mapping[str, Any], name: str) -> dict[str, Any]:
    from homing.cli.main import BadInput

    found = asked.get(name, {})
    if not isinstance(found, dict):
        msg = f"expected `{name}` to be an object"
        raise BadInput(msg)
    return found


def _write(answer: Mapping[str, Any]) -> None:
    from homing.core.wire import json_bytes

    sys.stdout.buffer.write(json_bytes(answer) + b"\n")
    sys.stdout.buffer.flush()


@dataclass(frozen=True, slots=True)
class Case:
    """One event and the traits of its person; answers ``fql.Facts`` over this event alone."""

    event: Mapping[str, Any]
    profile: Mapping[str, object]
    journey: Mapping[str, object] = field(default_factory=dict)

    def asked(self, when: str | None, mapping: object, *, explain: bool) -> dict[str, Any]:
        """
        The answer to a condition, or, when there is none, to a mapping.

        Raises:
            FqlError, MappingError, MappingFailure: What is wrong with it.
        """
        return self._mapped(mapping) if when is None else self._held(when, explain=explain)

    def did(self, did: Did) -> int:
        """Once if this is such an event."""
        is_one = self.event.get("type", "track") == "track" and self.event.get("event") == did.event
        return int(is_one and (did.condition is None or did.condition.holds(self.event, self)))

    def in_audience(self, key: str) -> bool:
        """What this event says of membership."""
        from homing.core.people import audience_change

        return audience_change(self.event) == (key, True)

    def _held(self, when: str, *, explain: bool) -> dict[str, Any]:
        condition = _condition(when)
        answer: dict[str, Any] = {"result": condition.holds(self.event, self)}
        if explain:
            answer["explanation"] = condition.explain(self.event, self).render()
        return answer

    def _mapped(self, mapping: object) -> dict[str, Any]:
        from homing.core.mapping import ABSENT

        root = {**self.event, "profile": self.profile, "journey": {}, "send": {}}
        value = _mapping(json.dumps(mapping)).resolve(root)
        return {"result": None, "absent": True} if value is ABSENT else {"result": value}


@lru_cache(maxsize=KEPT)
def _condition(text: str) -> Condition:
    from homing.core.fql import parse

    return parse(text)


@lru_cache(maxsize=KEPT)
def _mapping(text: str) -> Compiled:
    from homing.core.mapping import compile_mapping

    return compile_mapping(json.loads(text))
