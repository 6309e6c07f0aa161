"""What look-ups in Segment's Profile API are made of: the API, its token, what templates read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from homing.adapters.plain_http import PlainHttpApi
from homing.adapters.render import HandlebarsRenderer, RenderError
from homing.core.errors import HomingError
from homing.stages.look_up import LookUp, Source
from homing.stages.write_back import authorization_of

if TYPE_CHECKING:
    from homing.config import Settings
    from homing.config.settings import Profiles
    from homing.core.plans import Email, Plans
    from homing.ports import Clock, Store
    from homing.stages.take import Taker

ENDPOINT = "https://profiles.segment.com"
# a bound of the connection: the stage itself waits less
TOTAL_S = 3.0


def looked_up(
    plans: Plans, settings: Settings, environ: Mapping[str, str]
) -> tuple[Plans, str | None]:
    """
    The plans with what may be looked up, and the API's token; None: nothing is.

    Raises:
        HomingError: The token cannot be had, and emails leave.
    """
    profiles = settings.segment.profiles
    if profiles is None:
        return plans, None
    try:
        token = profiles.token.resolve(environ)
    except HomingError:
        if settings.sendgrid.mode == "capture":
            return plans, None
        raise
    return plans.with_look_ups(variables_of(plans)), token


def variables_of(plans: Plans) -> dict[str, tuple[str, ...]]:
    """What the templates read of emails that Homing renders from traits and properties alone."""
    own = [one for one in plans.emails.values() if one.template is None and one.data is None]
    if not own:
        return {}
    renderer = HandlebarsRenderer()
    return {email.name: _variables(renderer, email) for email in own}


def profile_api(user_agent: str) -> PlainHttpApi:
    """The API, not yet told of any space."""
    return PlainHttpApi(ENDPOINT, authorization="", user_agent=user_agent, total_s=TOTAL_S)


def source_of(api: PlainHttpApi, profiles: Profiles | None, token: str | None) -> Source | None:
    """The space of a configuration; the API is called there from now on."""
    if profiles is None or token is None:
        return None
    api.use(profiles.endpoint, authorization=authorization_of(token))
    return Source(api, profiles.space)


def look_up_of(store: Store, clock: Clock, *, taker: Taker, source: Source | None) -> LookUp:
    """Look-ups that tell *taker* of the people they write."""
    return LookUp(store, clock, lambda: taker.rules, taker.remember, taker.forget_people, source)


def _variables(renderer: HandlebarsRenderer, email: Email) -> tuple[str, ...]:
    parts = [part for part in (email.subject, email.html, email.text) if part]
    try:
        return tuple(sorted({path for part in parts for path in renderer.variables(part)}))
    except RenderError:
        return ()  # a send of it is rejected, and says why
