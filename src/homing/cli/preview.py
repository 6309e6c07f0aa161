"""``homing preview``: an email before anybody gets it."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from homing.cli.main import BadInput, config_option, json_option
from homing.cli.reach import loaded_config, read_object
from homing.cli.show import heading_out, json_out, text
from homing.core.errors import HomingError

if TYPE_CHECKING:
    from homing.adapters.render import HandlebarsRenderer
    from homing.cli.mailing import Draft, Templates, Wanted

FIELDS: Final = {
    "fixture": "the file of the event",
    "email": "the [email.*]",
    "rule": "the route or journey whose action was used; by-hand without one",
    "step": "of the journey",
    "note": "how it was chosen, or why that route does not hold for this event; null: it does",
    "to": "the address; null when there is none",
    "state": "reserved, or what the gate makes of it",
    "reason": "why it would not leave",
    "subject": "null where SendGrid has the template and --template does not give it",
    "html": "",
    "text": "",
    "data": "the template data",
    "used": "the paths the template reads; null where it is not known",
    "missing": "those of them that are not in the data, or null",
    "warnings": "what would fail in sent mail, and what is easily got wrong",
    "links": "where its links lead",
    "body": "the exact body of mail/send; homing_send is made up",
    "error": "why it cannot be rendered",
}


@click.command("preview")
@click.argument("email")
@click.option("--event", type=click.Path(path_type=Path), help="A file with one event as JSON.")
@click.option("--profile", type=click.Path(path_type=Path), help="The person's traits, as JSON.")
@click.option("--fixtures", type=click.Path(path_type=Path, exists=True, file_okay=False),
              help="Preview every *.json of a folder: an event, or {event, profile}.")  # fmt: skip
@click.option("--template", type=click.Path(path_type=Path),
              help="SendGrid's, downloaded: subject, html_content, plain_content.")  # fmt: skip
@click.option("--route", metavar="NAME", help="By the action of this route.")
@click.option("--journey", metavar="NAME", help="By the first step of this journey that sends it.")
@click.option("--step", metavar="ID", help="By this step of a journey.")
@click.option("--context", type=click.Path(path_type=Path),
              help="What the run knows, as JSON: entry, latest, events, branch, variant, key, "
              "profile; by default the event is entry and latest.")  # fmt: skip
@click.option("--html", type=click.Path(path_type=Path), help="Write the HTML there.")
@config_option
@json_option
def preview_command(  # noqa: PLR0913  one an option
    email: str,
    *,
    event: Path | None,
    profile: Path | None,
    fixtures: Path | None,
    template: Path | None,
    route: str | None,
    journey: str | None,
    step: str | None,
    context: Path | None,
    html: Path | None,
    config: Path | None,
    as_json: bool,
) -> int:
    """
    Show an email as it would be sent, and the exact API body.

    EMAIL is the name of an [email.*]. Its data comes from the event and the traits, by the action
    of the first route that sends it and holds for the event, else of the first that sends it. Of an
    email that no route sends, by the first step of a journey that does. Nothing is sent and nothing
    is stored. Exits with 65 when any of it cannot be rendered.
    """
    if (event is None) == (fixtures is None) or (fixtures is not None and html is not None):
        msg = "say of which event: --event FILE, or --fixtures DIR (without --html)"
        raise click.UsageError(msg)
    if route is not None and (journey is not None or step is not None):
        raise click.UsageError("say --route or --journey, not both")
    from homing.cli.mailing import Wanted, email_named, route_named, routes_of
    from homing.processes import exits

    plans = loaded_config(config).plans
    base = Wanted(plans, email_named(plans, email), {})
    if route is not None:
        base = replace(base, route=route_named(plans, route, email))
    elif journey is not None or step is not None or not routes_of(plans, email):
        base = _in_journey(base, journey, step, context=context)
    if context is not None and base.within is None:
        raise click.UsageError("--context is for an email of a journey: say which by --journey")
    templates = _templates(base, template)
    shown = [
        preview(wanted, templates, fixture=name)
        for name, wanted in _cases(base, event, profile=profile, fixtures=fixtures)
    ]
    if html is not None:
        html.write_text(shown[0]["html"] or "")
    for one in shown:
        (json_out if as_json else _preview_out)(one)
    return exits.EX_DATAERR if any(one["error"] for one in shown) else exits.EX_OK


def _in_journey(
    base: Wanted, journey: str | None, step: str | None, *, context: Path | None
) -> Wanted:
    from homing.cli.in_journey import context_in, place_named

    place = place_named(base.plans, base.email.name, journey=journey, step=step)
    if place is None:
        return base
    known = {} if context is None else context_in(read_object(context), str(context))
    return replace(base, within=replace(place, context=known))


def _templates(wanted: Wanted, template: Path | None) -> Templates | None:
    from homing.cli.mailing import Templates

    own = Templates.of(wanted.email)
    if template is None:
        return own
    if own is not None:
        msg = f"[email.{wanted.email.name}] has a template of its own: --template is for SendGrid's"
        raise BadInput(msg)
    return Templates.downloaded(read_object(template), str(template))


def _cases(
    base: Wanted, event: Path | None, *, profile: Path | None, fixtures: Path | None
) -> Iterator[tuple[str, Wanted]]:
    traits = {} if profile is None else read_object(profile)
    paths = sorted(fixtures.glob("*.json")) if fixtures is not None else []
    if fixtures is not None and not paths:
        msg = f"no *.json in {fixtures}"
        raise BadInput(msg)
    for path in [event] if event is not None else paths:
        found = read_object(path)
        both = "event" in found and isinstance(found["event"], dict)
        data = found["event"] if both else found
        own = found.get("profile") if both else None
        yield str(path), _of_case(base, data, own if isinstance(own, dict) else traits)


def _of_case(base: Wanted, data: Mapping[str, Any], traits: Mapping[str, Any]) -> Wanted:
    from homing.cli.mailing import route_for

    if base.within is not None:
        return replace(base, event=data, profile=base.within.context.get("profile", traits))
    route = base.route or route_for(base.plans, base.email.name, data)
    return replace(base, event=data, profile=traits, route=route)


def preview(wanted: Wanted, templates: Templates | None, *, fixture: str) -> dict[str, Any]:
    """What one event makes of an email."""
    from homing.adapters.clock import SystemClock
    from homing.cli.mailing import draft
    from homing.cli.views import json_in

    now_ms = SystemClock().now_ms()
    made = draft(wanted, now_ms=now_ms, tag=secrets.randbits(40))
    row = made.row
    shown: dict[str, Any] = {
        **dict.fromkeys(FIELDS),
        "fixture": fixture,
        "email": wanted.email.name,
        "rule": row.rule,
        "step": row.step or None,
        "note": _note(wanted, now_ms),
        "to": row.address,
        "state": row.state,
        "reason": row.reason,
        "data": made.data,
        "links": [],
        "warnings": [],
    }
    rendered = None
    if templates is not None:
        try:
            rendered = _rendered_into(shown, made, templates)
        except HomingError as error:
            shown["error"] = str(error)
    sent = None if templates is None or templates.is_sendgrids else rendered
    shown["body"] = json_in(made.body(sent))
    return shown


def _note(wanted: Wanted, now_ms: int) -> str | None:
    from homing.cli.in_journey import places_in
    from homing.cli.mailing import does_not_hold

    if wanted.within is None:
        refused = does_not_hold(wanted, now_ms=now_ms)
        name = "" if wanted.route is None else wanted.route.name
        return refused and f"route {name} does not hold for this event:\n{refused}"
    journey = wanted.within.journey
    others = [one.place for one in places_in(journey, wanted.email.name)]
    others.remove(wanted.within.place)
    more = f"; also sent by {', '.join(others)}" if others else ""
    return f"as journey {journey.name} sends it by {wanted.within.place}{more}"


def _rendered_into(shown: dict[str, Any], made: Draft, templates: Templates) -> Any:  # noqa: ANN401
    from homing.adapters.render import HandlebarsRenderer
    from homing.cli.mailing import links_in

    renderer = HandlebarsRenderer()
    shown |= _variables(renderer, made, templates)
    rendered = templates.rendered(renderer, made.data)
    shown |= {"subject": rendered.subject, "html": rendered.html, "text": rendered.text}
    shown["links"] = links_in(rendered.html)
    return rendered


def _variables(
    renderer: HandlebarsRenderer, made: Draft, templates: Templates
) -> dict[str, list[str]]:
    return {
        "used": templates.variables(renderer),
        "missing": templates.missing(renderer, made.data),
        "warnings": templates.warnings(renderer),
    }


_HEAD: Final = ("fixture", "email", "rule", "step", "note", "to", "state", "reason")


def _preview_out(shown: Mapping[str, Any]) -> None:
    import orjson

    from homing.cli.show import pairs_out

    lists = ("used", "missing", "links", "warnings")
    pairs_out(
        {name: shown[name] for name in _HEAD}
        | {name: "\n".join(map(str, shown[name] or ())) for name in lists}
        | {"error": shown["error"], "subject": shown["subject"]}
    )
    for name in ("text", "html"):
        if shown[name]:
            heading_out(name)
            click.echo(text(shown[name]))
    heading_out("data")
    click.echo(text(orjson.dumps(shown["data"], option=orjson.OPT_INDENT_2).decode()))
    heading_out("api body")
    click.echo(text(orjson.dumps(shown["body"], option=orjson.OPT_INDENT_2).decode()))
    click.echo()
