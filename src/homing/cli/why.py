"""``homing why``: the decisions, with the clauses and values that made them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from homing.cli.main import config_option, json_option
from homing.cli.reach import loaded_config, looking
from homing.cli.show import heading_out, json_out, pairs_out, rows_out, text

if TYPE_CHECKING:
    from homing.cli.deciding import Asker
    from homing.core.effects import SendRow
    from homing.core.events import Happened
    from homing.core.people import Person
    from homing.core.plans import Route
    from homing.ports import EventRow, Tx

EVENT_FIELDS: Final = {
    "asked": "event",
    "event": "as `events list` has it",
    "decisions": "rule, kind (route, opt_out, opt_in), concerned (false: for other events), "
    "held, stopped_by, actions, explanation: of every rule, in the order in which they are asked; "
    "after: the entry into a local audience, or the exit, that this one followed, and a rule heard",
    "changed_since": "traits that a rule reads and that were written after the event",
    "sends": "what it reserved or skipped, as `sends list` has it",
    "attempts": "of these sends, and look-ups: send, number, at, outcome, detail",
    "effects": "what it asked for besides: id, dest, kind, state, reason, …",
    "runs": "what it did to runs of journeys: run, journey, key, at, what, step, name, reason, …",
    "entries": "of every journey in force that such an event may start: journey, held, outcome "
    "(entered, restarted, not_held, missing_key, too_old, consent, alive, once, not_exited, "
    "too_soon, none), words, run, explanation",
    "rules_of_runs": "what exits, goals and holds of the person's runs made of it: run, journey, "
    "key, rule, held, note, explanation",
    "note": "why there are no decisions",
}
PERSON_FIELDS: Final = {
    "asked": "person",
    "person": "as `people list` has it",
    "names": "kind, value",
    "suppressions": "address, scope, suppressed, source, reason, at",
    "lists": "as `people show` has them",
    "may_get": "email, to, refused, note: of every email, why it would not leave now",
    "runs": "the newest, as `journeys run` has them, without their sends",
    "events": "the newest, as `events list` has them",
    "sends": "the newest, as `sends list` has them",
}
NOT_FIELDS: Final = {
    "asked": "not",
    "email": "",
    "person": "",
    "to": "the person's address",
    "refused": "why it would not leave now; null if it would",
    "routes": "rule, when, and events: the newest that could concern it, each with event, at, "
    "held, stopped_by, send, state, reason, explanation",
    "journeys": "of every journey that sends it: journey, enters_when, sends_at, status, note, "
    "runs (the newest: run, key, state, entered_at, reasons: reason, explanation), entries (the "
    "newest events that could concern its entry: event, at, and as of an event)",
    "note": "why there is nothing to tell, or what is told of the address",
}
SEND_FIELDS: Final = {
    "asked": "send",
    "send": "of a journey, as `sends list` has it",
    "attempts": "and look-ups: send, number, at, outcome, detail",
    "run, waits_for, history, sends": "its run, as `journeys run` has it",
}
ATTEMPT_COLUMNS: Final = ("send", "number", "at", "outcome", "detail")
LOOKED_AT: Final = 500
SHOWN: Final = 5


@click.command("why")
@click.argument("what", metavar="PERSON|EVENT")
@click.option("--not", "email", metavar="EMAIL", help="Why that person did not get this email.")
@config_option
@json_option
def why_command(what: str, *, email: str | None, config: Path | None, as_json: bool) -> None:
    """
    Why an event, or a person, got what they got, or did not.

    EVENT is a number (e12), a messageId, or the id of a send: what became of it, every rule's
    decision with the clause and the values that made it, and what it did to runs of journeys. Of a
    send of a journey, its run. PERSON is a userId, an anonymousId or an address: what happened to
    them, what they were sent, where they are in journeys, and what they would be refused; of an
    address that several people have, of each. `why --not EMAIL PERSON` says of each route and
    journey that sends the email why it did not.

    The rules are those of the configuration in force, and the person's traits are as they are now.
    """
    from homing.adapters.sqlite.log import SqliteLogReader, log_path
    from homing.cli.deciding import Asker

    loaded = loaded_config(config)
    reader = SqliteLogReader.if_made(log_path(loaded.store_path))
    with looking(config) as tx:
        asker = Asker.of(tx, reader, loaded)
        told = _of_either(asker, what) if email is None else why_not(asker, email, what)
    for number, one in enumerate(told):
        if as_json:
            json_out(one)
            continue
        if number:
            heading_out("who has the same address")
        _OUT[one["asked"]](one)


def _of_either(asker: Asker, what: str) -> list[dict[str, Any]]:
    from homing.cli.finding import event_named, find_event, find_person, people_named
    from homing.core.effects import send_number
    from homing.stages.act import NotThere, event_number, find_send

    if event_number(what) is not None:
        return [why_event(asker, event_named(asker.tx, what))]
    if find_person(asker.tx, what) is not None:
        return [why_person(asker, person) for person in people_named(asker.tx, what)]
    row = find_event(asker.tx, what)
    if row is None and send_number(what) is not None:
        send = find_send(asker.tx, what)
        if send.origin < 0:
            return [why_send(asker, send)]
        row = None if send.event is None else asker.tx.events.get(send.event)
    if row is None:
        msg = f"nobody and nothing goes by {what!r}"
        raise NotThere(msg)
    return [why_event(asker, row)]


def why_send(asker: Asker, send: SendRow) -> dict[str, Any]:
    """Why a journey sent, or did not send: the run that reserved it."""
    from homing.cli.finding import find_run
    from homing.cli.run_stories import run_story
    from homing.cli.views import send_view

    run = find_run(asker.tx, send.key)
    nothing: dict[str, Any] = {"run": None, "waits_for": [], "history": [], "sends": []}
    story = nothing if run is None else run_story(asker.tx, run, asker.rules.programs)
    attempts = _attempts(asker.tx, [send])
    return {"asked": "send", "send": send_view(send), "attempts": attempts, **story}


def why_event(asker: Asker, row: EventRow) -> dict[str, Any]:
    """What became of an event."""
    from homing.cli.entries import asked_of_runs, done_to_runs, entries_of
    from homing.cli.views import effect_view, event_view, send_view

    tx = asker.tx
    person = None if row.person is None else tx.people.get(row.person)
    happened = asker.happened(row, person)
    told: dict[str, Any] = {
        "asked": "event",
        "event": event_view(tx, row),
        "decisions": [],
        "changed_since": [],
        "sends": [send_view(send) for send in tx.sends.of_event(row.id)],
        "attempts": _attempts(tx, tx.sends.of_event(row.id)),
        "effects": [effect_view(effect) for effect in tx.effects.of_event(row.id)],
        "runs": [] if person is None else done_to_runs(tx, row, person),
        "entries": [],
        "rules_of_runs": [],
        "note": None,
    }
    if happened is None or person is None:
        told["note"] = _why_undecided(row, person)
        return told
    told["decisions"] = _decisions(asker, happened, person)
    told["changed_since"] = asker.changed_since(happened, person)
    told["entries"] = entries_of(asker, happened, person)
    told["rules_of_runs"] = asked_of_runs(asker, happened, person)
    return told


def _decisions(asker: Asker, event: Happened, person: Person) -> list[dict[str, Any]]:
    """What rules made of an event, and of what followed from it."""
    from homing.cli.deciding import follows

    found = [{**verdict.view(), "after": None} for verdict in asker.verdicts(event, person)]
    for follower in asker.followers(event, person):
        verdicts = (one for one in asker.verdicts(follower, person) if one.concerned)
        found += [{**verdict.view(), "after": follows(follower)} for verdict in verdicts]
    return found


def _attempts(tx: Tx, sends: list[SendRow]) -> list[dict[str, object]]:
    """What attempts of sends came to, but for plain acceptances."""
    from homing.cli.views import attempt_view

    return [
        {"send": send.key, **attempt_view(attempt)}
        for send in sends
        for attempt in tx.sends.attempts(send.id)
    ]


def _why_undecided(row: EventRow, person: Person | None) -> str:
    if row.state.value != "done":
        return f"no rule was asked: the event is {row.state.value}: {row.reason}"
    if person is None:
        return "no rule can be asked: the event belongs to nobody, or to somebody erased"
    return "no rule can be asked: retention took the event's bytes, or it is none for rules"


def why_person(asker: Asker, person: Person) -> dict[str, Any]:
    """What happened to a person, and what they would be refused."""
    from homing.cli.people import about

    shown = about(asker.tx, person, limit=20)
    events, sends = shown.pop("events"), shown.pop("sends")
    address = person.address
    may_get = [
        {
            "email": name,
            "to": address,
            "refused": _refused(asker, name, address, person=person),
            "note": _bypass(asker, name, address),
        }
        for name in asker.plans.emails
    ]
    told = {"may_get": may_get, "runs": _runs(asker, person), "events": events, "sends": sends}
    return {"asked": "person", **shown, **told}


def _runs(asker: Asker, person: Person) -> list[dict[str, Any]]:
    from homing.cli.run_stories import run_story

    found = []
    for run in asker.tx.runs.newest_of(person.id, limit=20):
        story = run_story(asker.tx, run, asker.rules.programs)
        found.append({name: story[name] for name in ("run", "waits_for", "history")})
    return found


def _bypass(asker: Asker, email: str, address: str | None) -> str | None:
    """That an opt-out does not stop an email; None where there is none, or it does."""
    from homing.core import suppression

    found = asker.plans.emails[email]
    records = {} if address is None else asker.tx.suppressions.of(address)
    bypassed = suppression.needs_bypass(found.kind, found.group, records)
    if not bypassed or suppression.refusal_of(found.kind, found.group, records) is not None:
        return None
    return "transactional: leaves in spite of the opt-out"


def _refused(asker: Asker, email: str, address: str | None, *, person: Person) -> str | None:
    from homing.adapters.clock import SystemClock
    from homing.cli.deciding import refusal_now

    return refusal_now(asker, email, address, person=person, now_ms=SystemClock().now_ms())


def why_not(asker: Asker, email: str, who: str) -> list[dict[str, Any]]:
    """Why a person, or everybody of an address, did not get an email."""
    from homing.cli.finding import people_named
    from homing.cli.mailing import email_named

    email_named(asker.plans, email)
    return [_why_not(asker, email, person) for person in people_named(asker.tx, who)]


def _why_not(asker: Asker, email: str, person: Person) -> dict[str, Any]:
    from homing.cli.mailing import routes_of
    from homing.cli.run_reasons import journey_reasons, journeys_that_send

    routes, address = routes_of(asker.plans, email), person.address
    journeys = journeys_that_send(asker, email)
    nobody = None if routes or journeys else f"no route and no journey sends {email!r}"
    return {
        "asked": "not",
        "email": email,
        "person": person.label,
        "to": address,
        "refused": _refused(asker, email, address, person=person),
        "routes": [
            {
                "rule": route.name,
                "when": route.when.text,
                "events": list(islice(_asked_of(asker, route, email, person=person), SHOWN)),
            }
            for route in routes
        ],
        "journeys": [journey_reasons(asker, one, email, person=person) for one in journeys],
        "note": nobody or _bypass(asker, email, address),
    }


def _asked_of(
    asker: Asker, route: Route, email: str, *, person: Person
) -> Iterator[dict[str, object]]:
    """What a route made of the person's newest events that could concern it."""
    from homing.cli.finding import numbers_of
    from homing.cli.show import time_text

    for row in asker.tx.events.of_person(numbers_of(person), limit=LOOKED_AT):
        happened = asker.heard_by(route, row, person)
        if happened is None:
            continue
        verdicts = asker.verdicts(happened, person)
        verdict = next(v for v in verdicts if v.kind == "route" and v.rule == route.name)
        sends = asker.tx.sends.of_event(row.id)
        send = next((s for s in sends if (s.rule, s.email) == (route.name, email)), None)
        yield {
            "event": f"e{row.id}",
            "at": time_text(row.at),
            "held": verdict.held,
            "stopped_by": verdict.stopped_by,
            "send": None if send is None else send.key,
            "state": None if send is None else send.state,
            "reason": None if send is None else send.reason,
            "explanation": verdict.explanation,
        }


def _event_out(told: Mapping[str, Any]) -> None:
    from homing.cli import sends

    pairs_out({**told["event"], "note": told["note"]})
    for decision in told["decisions"]:
        if not decision["concerned"]:
            continue
        click.echo()
        after = f", after {decision['after']}" if decision["after"] else ""
        click.echo(text(f"{decision['rule']}{after}: {_verdict_words(decision)}"))
        _indented(decision["explanation"])
    others = [d["rule"] for d in told["decisions"] if not d["concerned"]]
    if others:
        click.echo()
        click.echo(text(f"for other events: {', '.join(others)}"))
    if told["changed_since"]:
        click.echo()
        click.echo(text(f"changed since: {', '.join(told['changed_since'])}"))
    _journeys_of_event_out(told)
    _part_out("sends", told["sends"], sends.COLUMNS)
    _part_out("attempts", told["attempts"], ATTEMPT_COLUMNS)
    _part_out("effects", told["effects"], ("id", "dest", "kind", "state", "rule", "reason"))


def _journeys_of_event_out(told: Mapping[str, Any]) -> None:
    _part_out("runs", told["runs"], ("run", "journey", "key", "what", "step", "name", "reason"))
    for entry in told["entries"]:
        click.echo()
        click.echo(text(f"entry of journey {entry['journey']}: {entry['words']}"))
        _indented(entry["explanation"])
    for rule in told["rules_of_runs"]:
        click.echo()
        said = "held" if rule["held"] else rule["note"] or "did not hold"
        click.echo(text(f"{rule['run']} of journey {rule['journey']}, {rule['rule']}: {said}"))
        _indented(rule["explanation"])


def _verdict_words(decision: Mapping[str, Any]) -> str:
    actions = ", ".join(decision["actions"])
    if decision["stopped_by"]:
        return f"not asked: {decision['stopped_by']} stopped"
    return f"holds: {actions}" if decision["held"] else f"does not hold ({actions})"


def _person_out(told: dict[str, Any]) -> None:
    from homing.cli.people import about_out

    about_out(told)
    _part_out("may get", told["may_get"], ("email", "to", "refused", "note"))
    for one in told["runs"]:
        _run_out({**one, "sends": []})


def _run_out(told: Mapping[str, Any]) -> None:
    from homing.cli.journeys import run_out

    run = told["run"]
    heading_out("gone: retention took the run" if run is None else f"run of {run['journey']}")
    if run is not None:
        run_out(told)


def _send_out(told: Mapping[str, Any]) -> None:
    pairs_out(told["send"])
    _part_out("attempts", told["attempts"], ATTEMPT_COLUMNS)
    _run_out(told)


def _not_out(told: Mapping[str, Any]) -> None:
    pairs_out({name: told[name] for name in ("email", "person", "to", "refused", "note")})
    for route in told["routes"]:
        heading_out(f"route {route['rule']}")
        click.echo(text(f"when {route['when']}"))
        if not route["events"]:
            click.echo("none of the person's newest events is one for which it could hold")
        for asked in route["events"]:
            click.echo()
            click.echo(text(f"{asked['at']}  {asked['event']}: {_outcome_words(asked)}"))
            _indented(asked["explanation"])
    for journey in told["journeys"]:
        _journey_not_out(journey)


def _journey_not_out(journey: Mapping[str, Any]) -> None:
    heading_out(f"journey {journey['journey']}")
    click.echo(text(f"enters when {journey['enters_when']}"))
    click.echo(text(f"sends it at {', '.join(journey['sends_at'])}"))
    if journey["note"]:
        click.echo(text(journey["note"]))
    if not journey["runs"]:
        click.echo("never entered, as far as that is kept")
        if not journey["entries"]:
            click.echo("none of the person's newest events is one that could have started it")
    for run in journey["runs"]:
        click.echo()
        of_key = f" of key {run['key']}" if run["key"] else ""
        click.echo(text(f"{run['entered_at']}  {run['run']}{of_key}: {run['state']}"))
        for reason in run["reasons"]:
            click.echo(text(f"    {reason['reason']}"))
            if reason["explanation"]:
                _indented(reason["explanation"])
    for entry in journey["entries"]:
        click.echo()
        click.echo(text(f"{entry['at']}  {entry['event']}: {entry['words']}"))
        _indented(entry["explanation"])


def _outcome_words(asked: Mapping[str, Any]) -> str:
    if asked["send"]:
        reason = f": {asked['reason']}" if asked["reason"] else ""
        return f"send {asked['send']} is {asked['state']}{reason}"
    if asked["stopped_by"]:
        return f"not asked: {asked['stopped_by']} stopped"
    if asked["held"]:
        return "holds now, and reserved nothing then: the configuration or the person has changed"
    return "does not hold"


def _indented(lines: str) -> None:
    for line in lines.split("\n"):
        click.echo(text(f"    {line}"))


def _part_out(name: str, rows: list[dict[str, Any]], columns: tuple[str, ...]) -> None:
    if rows:
        heading_out(name)
        rows_out(rows, as_json=False, columns=columns)


_OUT: Final = {
    "event": _event_out,
    "person": _person_out,
    "not": _not_out,
    "send": _send_out,
}
