"""Checks of the Segment side: write key, region, Profile API."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from homing.doctor.answers import Failed, Got
from homing.doctor.findings import Finding, error, ok, skipped, warn

if TYPE_CHECKING:
    from homing.doctor.case import Case

REGIONS: Final = {"api.segment.io": "US", "events.eu1.segmentapis.com": "EU"}
ENDPOINTS: Final = {region: f"https://{host}" for host, region in REGIONS.items()}
PROFILES: Final = {"profiles.segment.com": "US", "profiles.euw1.segment.com": "EU"}


def of_write_key(case: Case) -> Iterator[Finding]:
    """
    Segment knows it, and takes its messages where we post them.

    Source: Segment's own destination "Segment" validates a write key by the public settings of
    its source (``action-destinations``, ``destinations/segment``); a message to another region is
    answered 200 and thrown away (Segment docs, "Regional Segment").
    """
    segment = case.loaded.settings.segment
    if case.secrets.write_key is None:
        if segment.write_key is None:
            yield skipped("there is no `segment.write_key`: nothing is written home")
        else:
            yield error(
                "`segment.write_key` cannot be had", "set what it refers to, see the check config"
            )
        return
    match case.facts.source:
        case Got(source):
            yield _of_region(segment.endpoint, source.api_host)
        case Failed(404 | 400 | 401 | 403, _):
            yield error(
                "Segment knows no source with this write key: it answers 200 and throws away what"
                " is written home",
                "copy the write key from the source's settings, API Keys",
            )
        case Failed(_, said):
            yield skipped(f"the write key could not be looked at: {said}", "run this again")


def _of_region(endpoint: str, api_host: str) -> Finding:
    at = urlsplit(endpoint).netloc
    host = api_host.partition("/")[0]
    ours, theirs = REGIONS.get(at), REGIONS.get(host)
    if not host:
        return ok("Segment knows the write key; it does not say of which region it is")
    if host == at or ours == theirs is not None:
        return ok(f"Segment knows the write key, and takes its messages at {endpoint}")
    if theirs is not None and ours is not None:
        return error(
            f"the source is in the {theirs} region, and {endpoint} is the {ours} one: Segment"
            " answers 200 and throws the events away",
            f'set `segment.endpoint = "{ENDPOINTS[theirs]}"`',
        )
    return warn(
        f"the source takes its messages at {host}; whether {endpoint} leads there cannot be told",
        f"see that it does; Segment's own endpoints are {' and '.join(ENDPOINTS.values())}",
    )


def of_profiles(case: Case) -> Iterator[Finding]:
    """The Profile API takes the token, in the space."""
    profiles = case.loaded.settings.segment.profiles
    if profiles is None:
        yield skipped("`segment.profiles` is not set: no trait is looked up")
        return
    if case.secrets.profile_token is None:
        yield error(
            "`segment.profiles.token` cannot be had", "set what it refers to, see the check config"
        )
        return
    match case.facts.profile:
        case Got():
            yield ok(f"{profiles.endpoint} takes the token")
        case Failed(401 | 403, said):
            region = PROFILES.get(urlsplit(profiles.endpoint).netloc)
            other = f"; it may be of another region than {region}" if region else ""
            yield error(
                f"the Profile API refuses the token: {said}",
                f"make one in Unify, Settings, API access, for the space {profiles.space}{other}",
            )
        case Failed(404, said):
            yield error(
                f"the Profile API knows no space {profiles.space}: {said}",
                "copy the space id from Unify, Settings, API access",
            )
        case Failed(_, said):
            yield skipped(f"the Profile API could not be looked at: {said}", "run this again")
