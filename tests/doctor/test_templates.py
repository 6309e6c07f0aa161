"""Templates: there, dynamic, active; and edited since."""

import pytest
from tests.doctor.conftest import EMAIL, statuses

from homing.doctor import kept, templates
from homing.doctor.answers import Failed, Got, Template, Version
from homing.doctor.case import Samples

ID = "d-00000000000000000000000000000001"
OWN = """
[email.own]
subject = "Hi {{name}}"
html_file = "own.html"
data = { name = "$.traits.name" }
[route.own]
when = 'event = "X"'
send = "own"
"""


def template(html="<p>{{name}}</p>", *, generation="dynamic", active=True, subject="s"):
    version = Version(id="v1", active=active, name="first", subject=subject, html_content=html)
    return Got(Template(id=ID, name="Receipt", generation=generation, versions=(version,)))


class TestTemplates:
    @pytest.mark.parametrize(
        ("look", "expected", "says"),
        [
            (template(), "ok", "'Receipt', version 'first'"),
            (template(generation="legacy"), "error", "legacy"),
            (template(active=False), "error", "no active version"),
            (Got(Template(id=ID, generation="dynamic")), "error", "no active version"),
            (Failed(404, "not found"), "error", "no such template"),
            (Failed(403, "no"), "skipped", "it could not be looked at: the key may not see"),
            (Failed(503, "down"), "skipped", "down"),
        ],
    )
    def test_it_exists_is_dynamic_and_has_an_active_version(self, case, look, expected, says):
        """Else its mail is dropped."""
        (finding,) = templates.of_templates(case(EMAIL, templates={ID: look}))

        assert expected == finding.status.value
        assert says in finding.found

    def test_a_template_that_an_action_names_is_looked_at_too(self, case):
        """It stands in for the email's own."""
        other = ID[:-1] + "9"
        text = EMAIL.replace(
            'send = "receipt"', f'send = {{ email = "receipt", template = "{other}" }}'
        )
        (finding,) = templates.of_templates(case(text, templates={other: template()}))

        assert f"template {other} (receipt)" == finding.about

    def test_what_homing_renders_needs_none(self, case, tmp_path):
        """Nothing of SendGrid's is looked at."""
        (tmp_path / "own.html").write_text("x")

        assert ["ok"] == statuses(templates.of_templates(case(OWN)))
        assert ["skipped"] == statuses(templates.of_templates(case()))


class TestVariables:
    def test_an_email_is_judged_by_every_way_that_sends_it(self, case):
        """Each gives what the email and the action have."""
        text = (
            EMAIL
            + """
[route.late]
when = 'event = "Late"'
send = { email = "receipt", data = { code = "X" } }
"""
        )
        look = template("{{name}} {{code}}")
        (finding,) = templates.of_variables(case(text, templates={ID: look}))

        assert "error" == finding.status.value
        assert "route receipt does not give code" in finding.found

    def test_samples_are_those_of_its_ways(self, case):
        """By name of the way."""
        text = EMAIL.replace('data = { name = "$.traits.name" }', "")
        samples = Samples(data={"receipt by route receipt": ({"name": "Ann"},)})
        made = case(text, templates={ID: template()}, samples=samples)
        (finding,) = templates.of_variables(made)

        assert "gets every variable that it shows, in 1 recorded events" == finding.found

    def test_an_email_that_nothing_sends_is_judged_by_its_own_data(self, case):
        """It may be sent by hand."""
        text = EMAIL.partition("[route")[0]

        assert ["ok"] == statuses(templates.of_variables(case(text, templates={ID: template()})))

    def test_our_own_templates_are_judged_as_well(self, case, tmp_path):
        """Subject and files."""
        (tmp_path / "own.html").write_text("{{nome}}")
        (finding,) = templates.of_variables(case(OWN))

        assert ("error", "email own") == (finding.status.value, finding.about)

    def test_what_could_not_be_looked_at_is_skipped(self, case):
        """The check templates says why."""
        made = case(EMAIL, templates={ID: Failed(404, "")})

        assert ["skipped"] == statuses(templates.of_variables(made))

    def test_what_sendgrid_makes_of_the_html_is_not_judged_twice(self):
        """Generated text is no part."""
        version = Version(html_content="a", plain_content="b", generate_plain_content=True)
        own = Version(html_content="a", plain_content="b", generate_plain_content=False)

        assert [["html"], ["html", "text"]] == [
            [name for name, _ in one.parts] for one in (version, own)
        ]


class TestEdits:
    def looked(self, case, tmp_path, *looks):
        """Look again and again, keeping what was seen; the findings of each look."""
        path = tmp_path / "homing.db.templates"
        found = []
        for number, look in enumerate(looks):
            made = case(EMAIL, templates={ID: look}, seen=kept.read(path), now_ms=number)
            found += templates.of_edits(made)
            assert kept.keep(path, made) is None
        return found

    def test_an_edit_is_told_once_with_its_diff(self, case, tmp_path):
        """First sight, the same, edited, the same."""
        before, after = template("one\ntwo\n"), template("one\nthree\n", subject="t")
        found = self.looked(case, tmp_path, before, before, after, after)

        assert ["ok", "ok", "warn", "ok"] == statuses(found)
        lines = found[2].detail.splitlines()
        assert {"-two", "+three", "-s", "+t", "--- html, as it was"} <= set(lines)

    def test_a_look_that_failed_forgets_nothing(self, case, tmp_path):
        """The next that succeeds compares with the last that did."""
        found = self.looked(case, tmp_path, template("a"), Failed(503, ""), template("b"))

        assert ["ok", "skipped", "warn"] == statuses(found)

    def test_a_huge_or_endless_diff_is_cut(self, case, tmp_path):
        """Nobody reads more, and it would take minutes."""
        numbers = [range(3_000), range(9, 6_000, 2), range(9_000), range(9, 18_000, 2)]
        texts = [template("\n".join(map(str, some))) for some in numbers]
        lines, many = texts[:2], texts[2:]
        wide = template("x" * 150_000), template("y" * 150_000)
        vast = template("x" * 1_000_001), template("y" * 1_000_001)

        cut, *too_large = (
            self.looked(case, tmp_path / name, *looks)[1].detail
            for name, looks in (("a", lines), ("b", wide), ("c", vast), ("d", many))
            if (tmp_path / name).mkdir() is None
        )

        assert len(cut.splitlines()) <= templates.MAX_DIFF_LINES + 1
        assert all("too large" in detail for detail in too_large)


class TestKept:
    @pytest.mark.parametrize("content", [b"", b"[]", b"{", b'{"d": 7}', b"\xff\xfe", b"null"])
    def test_what_is_not_ours_is_as_if_it_were_not_there(self, tmp_path, content):
        """A look then is the first."""
        path = tmp_path / "t"
        path.write_bytes(content)

        assert {} == kept.read(path)
        assert {} == kept.read(tmp_path / "nothing")

    def test_what_cannot_be_written_is_told(self, case, tmp_path):
        """And nothing is left behind."""
        made = case(EMAIL, templates={ID: template()})

        assert "cannot be written" in (kept.keep(tmp_path / "no" / "t", made) or "")
        assert ["homing.toml"] == [one.name for one in tmp_path.iterdir()]
