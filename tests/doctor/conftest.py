"""A configuration, and what the accounts are made to have said of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from homing.config import load
from homing.doctor.answers import Got, Key
from homing.doctor.case import Case, Facts
from homing.doctor.opening import secrets_of
from homing.doctor.ways import ways_of

ENVIRON = {"KEY": "SG.key", "WRITE_KEY": "write-key", "PROFILE_TOKEN": "token", "PUBLIC": "pk"}

BASE = """
[segment]
write_key = "${WRITE_KEY}"

[sendgrid]
api_key = "${KEY}"
from = "Acme <hello@acme.example>"
groups = { newsletter = 12345 }

[sendgrid.webhook.default]
public_keys = ["${PUBLIC}"]
"""

EMAIL = """
[email.receipt]
template = "d-00000000000000000000000000000001"
class = "transactional"
data = { name = "$.traits.name" }

[route.receipt]
when = 'event = "Order Completed"'
send = "receipt"
"""


@pytest.fixture
def case(tmp_path) -> Callable[..., Case]:
    """
    Make a case of a configuration's text; facts by name, other fields of a case beside them.
    """

    def _case(text: str = "", *, base: str = BASE, environ=ENVIRON, **known) -> Case:
        path = tmp_path / "homing.toml"
        path.write_text(base + text)
        loaded = load(path, environ=environ)
        facts = {name: known.pop(name) for name in list(known) if name in Facts.__slots__}
        case = Case(loaded, secrets_of(loaded, environ), ways=ways_of(loaded))
        return replace(case, facts=Facts(**facts), **known)

    return _case


def key(*scopes: str, ahead_s: float | None = 0.0) -> Got[Key]:
    """A key that works."""
    return Got(Key(frozenset(scopes), ahead_s))


def told(findings) -> list[tuple[str, str]]:
    """Status and what it is of."""
    return [(one.status.value, one.about) for one in findings]


def statuses(findings) -> list[str]:
    """The status of each."""
    return [one.status.value for one in findings]
