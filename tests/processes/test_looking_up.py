"""What look-ups are made of: the token, and what templates of ours read."""

from __future__ import annotations

from pathlib import Path

import pytest

from homing.config import Loaded, load
from homing.core.errors import HomingError
from homing.processes.looking_up import looked_up, variables_of

CONFIG = """
[sendgrid]
api_key = "${KEY}"
from = "us@x.io"
[segment]
profiles = { space = "spa_1", token = "${TOKEN}" }
[email.own]
subject = "Hi {{name}}"
html_file = "own.html"
[email.mapped]
subject = "Hi {{name}}"
html_file = "own.html"
data = { name = "$.profile.name" }
[email.broken]
subject = "Hi {{#if"
html_file = "own.html"
[email.theirs]
template = "d-00000000000000000000000000000001"
"""


@pytest.fixture
def loaded(tmp_path: Path) -> Loaded:
    (tmp_path / "own.html").write_text("{{order.total}} {{#each items}}{{sku}}{{/each}}")
    path = tmp_path / "homing.toml"
    path.write_text(CONFIG)
    return load(path, environ={"KEY": "SG.k", "TOKEN": "t"})


class TestVariablesOf:
    def test_what_templates_of_ours_read_of_traits_and_properties(self, loaded: Loaded) -> None:
        """
        Not of emails that map their data, nor of SendGrid's; a template that is none reads nothing.
        """
        found = variables_of(loaded.plans)

        assert {"own", "broken"} == found.keys()
        assert {"name", "order.total", "items"} == set(found["own"])
        assert () == found["broken"]


class TestLookedUp:
    def test_with_a_token_traits_are_looked_up(self, loaded: Loaded) -> None:
        """
        The plans say of what; their version stays as it is.
        """
        plans, token = looked_up(loaded.plans, loaded.settings, {"TOKEN": "t"})

        assert "t" == token
        assert plans.look_ups is not None
        assert (loaded.plans.version, None) == (plans.version, loaded.plans.look_ups)

    def test_without_one_nothing_starts(self, loaded: Loaded) -> None:
        """
        In capture mode, nothing is looked up.
        """
        with pytest.raises(HomingError, match="TOKEN"):
            looked_up(loaded.plans, loaded.settings, {})
        sendgrid = loaded.settings.sendgrid.model_copy(update={"mode": "capture"})
        captured = loaded.settings.model_copy(update={"sendgrid": sendgrid})

        plans, token = looked_up(loaded.plans, captured, {})

        assert (None, None) == (token, plans.look_ups)
