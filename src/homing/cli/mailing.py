"""What an email looks like: made by the code that sends, in a store that is gone afterwards."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any, Final

import orjson
from msgspec import structs

from homing.cli.main import BadInput
from homing.core.decide import PersonFacts, Rules, learn
from homing.core.effects import SendFlag, WantSend
from homing.core.events import Happened, event_time_ms, iso_time
from homing.core.journeys.run import origin_of
from homing.core.mail import Rendered, letterhead_of
from homing.core.mapping import Compiled
from homing.core.people import Person, identities_of, with_identities
from homing.core.plans import Send
from homing.stages import compose
from homing.stages.cause import Cause
from homing.stages.reserve import NO_FLAGS, reserve_send

if TYPE_CHECKING:
    from homing.adapters.render import HandlebarsRenderer
    from homing.adapters.sqlite.state import SqliteTx
    from homing.cli.in_journey import InJourney
    from homing.core.effects import ClaimedSend, SendRow
    from homing.core.plans import Email, Plans, Route
    from homing.core.suppression import Records

BY_HAND: Final = "by-hand"

# SendGrid fills these in itself when it renders a dynamic template.
SENDGRIDS_OWN: Final = {
    "unsubscribe": "https://sendgrid.example/unsubscribe",
    "unsubscribe_preferences": "https://sendgrid.example/preferences",
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """
    An email somebody wants to see.

    ``route`` is whose action sends it, ``within`` the step of a journey; neither: the email alone.
    ``to`` overrides the address. ``records`` are what is known of that address.
    """

    plans: Plans
    email: Email
    event: Mapping[str, Any]
    profile: Mapping[str, Any] = field(default_factory=dict)
    route: Route | None = None
    to: str | None = None
    records: Records = field(default_factory=dict)
    flags: SendFlag = NO_FLAGS
    within: InJourney | None = None


@dataclass(frozen=True, slots=True)
class Draft:
    """The send it would become: ``claimed`` is what would be posted, refused or not."""

    row: SendRow
    claimed: ClaimedSend
    email: Email

    @property
    def data(self) -> dict[str, Any]:
        """The template data."""
        found: dict[str, Any] = orjson.loads(self.claimed.data)
        return found

    def body(self, rendered: Rendered | None) -> bytes:
        """The exact body of mail/send."""
        return compose.body_of(letterhead_of(self.email), self.claimed, rendered)


def email_named(plans: Plans, name: str) -> Email:
    """
    One configured email.

    Raises:
        BadInput: There is none.
    """
    from homing.config.problems import guess

    email = plans.emails.get(name)
    if email is None:
        msg = f"no [email.{name}]{guess(name, plans.emails) or ' in the configuration'}"
        raise BadInput(msg)
    return email


def route_named(plans: Plans, name: str, email: str) -> Route:
    """
    One route that sends an email.

    Raises:
        BadInput: There is none of that name, or it does not.
    """
    for route in routes_of(plans, email):
        if route.name == name:
            return route
    msg = f"no [route.{name}] that sends {email!r}"
    raise BadInput(msg)


def routes_of(plans: Plans, email: str) -> list[Route]:
    """The routes that send an email, in file order."""
    return [route for route in plans.routes if _action(route, email) is not None]


def route_for(plans: Plans, email: str, event: Mapping[str, Any]) -> Route | None:
    """The route by which an event leads to an email: the first that holds, else the first."""
    routes = routes_of(plans, email)
    holding = (route for route in routes if route.when.holds(event))
    return next(holding, routes[0] if routes else None)


def draft(wanted: Wanted, *, now_ms: int, tag: int) -> Draft:
    """
    Reserve the send as the service would, in a store of its own.

    Args:
        tag: Random, part of the send's id.
    """
    from homing.adapters.sqlite.state import scratch

    cause = _cause(wanted, now_ms)
    with scratch() as tx:
        row, data = _reserved(tx, wanted, cause, tag=tag)
    claimed = compose.claimed_of(row, wanted.email, wanted.records, data=data)
    return Draft(row, claimed, wanted.email)


def _reserved(tx: SqliteTx, wanted: Wanted, cause: Cause, *, tag: int) -> tuple[SendRow, bytes]:
    want = _want(wanted)
    if wanted.to is not None:
        for record in wanted.records.values():
            tx.suppressions.save(wanted.to, record)
    send = reserve_send(tx, want, cause, tag=tag, flags=wanted.flags)
    row = None if send is None else tx.sends.get(send.id)
    if row is None:  # the store is empty: nothing can be in the way
        raise BadInput("the send could not be reserved")
    return row, tx.sends.data(row.id)


def _want(wanted: Wanted) -> WantSend:
    route, within, name = wanted.route, wanted.within, wanted.email.name
    action = None if route is None else _action(route, name)
    want = WantSend(BY_HAND if route is None else route.name, name)
    if within is not None:
        action = within.send
        variant = within.context.get("variant")
        want = WantSend(
            within.journey.name, name, step=within.step,
            variant=variant if isinstance(variant, str) else None,
        )  # fmt: skip
    if action is not None:
        want = structs.replace(want, to=action.to, data=action.data, template=action.template)
    if wanted.to is not None:
        address = wanted.to
        want = structs.replace(want, to=Compiled(lambda _: address, frozenset(), constant=True))
    return want


def _action(route: Route, email: str) -> Send | None:
    sends = (action for action in route.actions if isinstance(action, Send))
    return next((send for send in sends if send.email == email), None)


def _cause(wanted: Wanted, now_ms: int) -> Cause:
    plans = replace(wanted.plans, emails={**wanted.plans.emails, wanted.email.name: wanted.email})
    event, learned = _event_and_person(wanted, now_ms)
    if wanted.within is None:
        return Cause(event, learned, plans, now_ms)
    root = wanted.within.root(wanted.event, iso_time(now_ms))
    return Cause(event, learned, plans, now_ms, root, origin_of(1, 1))


def _event_and_person(wanted: Wanted, now_ms: int) -> tuple[Happened, Person]:
    """The event that mappings see, and its person as it leaves them."""
    data = wanted.event if wanted.within is None else wanted.within.latest(wanted.event)
    event = Happened(1, data, event_time_ms(data, now_ms), now_ms)
    person = with_identities(Person(1, traits=wanted.profile), identities_of(data))
    return event, learn(person, event, Rules(wanted.plans).candidates(event.type, event.name))


def does_not_hold(wanted: Wanted, *, now_ms: int) -> str | None:
    """Why the route by which an email is shown does not hold for this event; None: it does."""
    if wanted.route is None:
        return None
    event, person = _event_and_person(wanted, now_ms)
    why = wanted.route.when.explain(event.data, PersonFacts(person, event.at_ms, event=event))
    return None if why.holds else why.render()


@dataclass(frozen=True, slots=True)
class Templates:
    """The three templates of an email, ours or downloaded from SendGrid."""

    subject: str
    html: str | None
    text: str | None
    is_sendgrids: bool = False

    @classmethod
    def of(cls, email: Email) -> Templates | None:
        """Those of the configuration; None when SendGrid has them."""
        if email.template is not None:
            return None
        return cls(email.subject or "", email.html, email.text)

    @classmethod
    def downloaded(cls, found: Mapping[str, Any], name: str) -> Templates:
        """
        Those of a template as SendGrid's API or a download has it: the active version.

        Raises:
            BadInput: It has none.
        """
        versions = found.get("versions")
        if isinstance(versions, list):
            known = [version for version in versions if isinstance(version, dict)]
            active = [version for version in known if version.get("active")]
            found = next(iter(active or known), {})
        parts = [found.get(key) for key in ("subject", "html_content", "plain_content")]
        if not any(isinstance(part, str) for part in parts):
            msg = f"{name}: expected a template version: subject, html_content, plain_content"
            raise BadInput(msg)
        subject, html, text = (part if isinstance(part, str) else None for part in parts)
        return cls(subject or "", html, text or None, is_sendgrids=True)

    def rendered(self, renderer: HandlebarsRenderer, data: Mapping[str, Any]) -> Rendered:
        """
        What the recipient reads.

        Raises:
            RenderError: A template cannot be rendered with this data.
        """
        if self.is_sendgrids:
            data = {**SENDGRIDS_OWN, **data}
        # SendGrid escapes its subjects as HTML; ours are text
        subject = renderer.render(self.subject, data, escape=self.is_sendgrids)
        html = None if self.html is None else renderer.render(self.html, data)
        text = None if self.text is None else renderer.render(self.text, data, escape=False)
        return Rendered(subject, html, text)

    def variables(self, renderer: HandlebarsRenderer) -> list[str]:
        """The paths the templates read."""
        return sorted({path for part in self._parts() for path in renderer.variables(part)})

    def missing(self, renderer: HandlebarsRenderer, data: Mapping[str, Any]) -> list[str]:
        """The paths they read that are not in the data."""
        if self.is_sendgrids:
            data = {**SENDGRIDS_OWN, **data}
        return sorted({path for part in self._parts() for path in renderer.missing(part, data)})

    def warnings(self, renderer: HandlebarsRenderer) -> list[str]:
        """What would fail in sent mail, and what is easily got wrong."""
        parts = (("subject", self.subject), ("html", self.html), ("text", self.text))
        return [
            f"{name}, {warning}"
            for name, part in parts
            if part
            for warning in renderer.warnings(part, subject=name == "subject" and self.is_sendgrids)
        ]

    def _parts(self) -> Iterator[str]:
        return (part for part in (self.subject, self.html, self.text) if part)


def links_in(html: str | None) -> list[str]:
    """Where a mail's links lead, in order, each once."""
    finder = _Links()
    finder.feed(html or "")
    finder.close()
    return list(dict.fromkeys(finder.found))


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            self.found += [target or "" for name, target in attrs if name == "href"]
