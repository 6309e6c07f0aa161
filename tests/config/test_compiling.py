"""Plans: what the settings mean, and the version that says when it changes."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homing.config import ConfigError, load
from homing.core import plans
from homing.core.mail_limits import FORBIDDEN_HEADERS, refusals_of_email
from homing.core.plans import Address, EmailClass, MachineOpens, OnUnknown

EMAIL = f"sendgrid.from = 'Acme <a@b.example>'\nemail.a.template = 'd-{'0' * 32}'\n"
WHEN = """when = 'event = "X"'"""


def toml(value):
    """
    Write text or a list of it as TOML.
    """
    return json.dumps(value)


class TestEmails:
    @pytest.mark.parametrize(
        ("extra", "kind", "within_s", "on_unknown"),
        [
            ("", EmailClass.MARKETING, 86_400, OnUnknown.PARK),
            ("class = 'transactional'", EmailClass.TRANSACTIONAL, 14_400, OnUnknown.RESEND),
            (
                "class = 'transactional'\non_unknown = 'drop'\ndeliver_within = '10m'",
                *(EmailClass.TRANSACTIONAL, 600, OnUnknown.DROP),
            ),
        ],
    )
    def test_defaults_follow_the_class(self, loaded, *, extra, kind, within_s, on_unknown):
        """
        Transactional email is short-lived and resent; marketing waits and is parked.
        """
        email = loaded(f"{EMAIL}[email.b]\ntemplate = 'd-{'0' * 32}'\n{extra}").plans.emails["b"]

        assert (kind, within_s, on_unknown) == (
            email.kind,
            email.deliver_within_s,
            email.on_unknown,
        )

    def test_every_key_reaches_the_plan(self, loaded):
        """
        Names are resolved, mappings are compiled.
        """
        email = loaded(f"""
[sendgrid]
from = "a@b.example"
groups = {{ news = 7 }}
[email.a]
template = "d-{"0" * 32}"
group = "news"
to = "$.properties.email"
data = {{ n = "$.properties.n" }}
from = "Shop <s@b.example>"
reply_to = "r@b.example"
cc = ["c@b.example"]
bcc = ["d@b.example"]
headers = {{ X-A = "1" }}
categories = ["k"]
custom_args = {{ a = "b" }}
ip_pool = "pool"
tracking = {{ opens = false }}
consent = ["marketing"]
priority = -3
""").plans.emails["a"]

        event = {"properties": {"email": "x@y.example", "n": 1}}
        assert {"n": 1} == email.data.resolve(event)
        assert "x@y.example" == email.to.resolve(event)
        assert (
            *("a", Address("s@b.example", "Shop"), "news", 7, Address("r@b.example")),
            *((Address("c@b.example"),), (Address("d@b.example"),), {"X-A": "1"}, ("k",)),
            *({"a": "b"}, "pool", {"opens": False}, ("marketing",), -3),
        ) == (
            *(email.name, email.sender, email.group, email.group_id, email.reply_to),
            *(email.cc, email.bcc, email.headers, email.categories),
            *(email.custom_args, email.ip_pool, email.tracking, email.consent, email.priority),
        )

    def test_bodies_are_read_beside_the_file_that_names_them(self, write):
        """
        An included file brings its own folder.
        """
        path = write(
            "include = ['mails/*.toml']\nsendgrid.from = 'a@b.example'",
            mails__x_toml="[email.a]\nsubject = 'Hi {{name}}'\n"
            "html_file = 'x.html'\ntext_file='x.txt'",
            mails__x_html="<p>é</p>",
            mails__x_txt="é",
        )

        email = load(path, environ={}).plans.emails["a"]

        assert ("Hi {{name}}", "<p>é</p>", "é") == (email.subject, email.html, email.text)

    @pytest.mark.parametrize(
        ("content", "why"),
        [
            (None, "it cannot be read (No such file or directory)"),
            (b" \n", "it is empty"),
            (b"\xff", "it is not UTF-8"),
            (b"x" * (2**20 + 1), "it is over 1 MiB"),
        ],
    )
    def test_a_body_that_cannot_be_used_is_refused(self, loaded, tmp_path, *, content, why):
        """
        At load, not at the first send.
        """
        path = tmp_path / "a.html"
        if content is not None:
            path.write_bytes(content)

        with pytest.raises(Exception, match="a file of text") as error:
            loaded(
                "sendgrid.from = 'a@b.example'\nemail.a = { subject = 's', html_file = 'a.html' }"
            )

        assert str(error.value).endswith(f'to be a file of text, got "{path}": {why}')


class TestSendGridsOpinion:
    """
    What is accepted here is never refused by the check that stands before each send.
    """

    @given(
        headers=st.dictionaries(
            st.one_of(st.sampled_from(sorted(FORBIDDEN_HEADERS)), st.text("aA-_ :é(", max_size=4)),
            st.text(" aé\n\t~", max_size=4),
            max_size=3,
        ),
        categories=st.lists(st.text(" aé\n", max_size=4), max_size=12),
        cc=st.lists(
            st.sampled_from(["a@b.example", "A@b.example", "é@b", "b@c.example"]), max_size=3
        ),
        pool=st.text(" aé\n", max_size=3),
    )
    def test_an_accepted_email_is_one_that_sendgrid_takes(
        self, tmp_path_factory, *, headers, categories, cc, pool
    ):
        """
        Headers, categories, copies and pools: refused at load, or fine in every send.
        """
        text = f"""{EMAIL}
[email.b]
template = "d-{"0" * 32}"
headers = {{ {", ".join(f"{toml(k)} = {toml(v)}" for k, v in headers.items())} }}
categories = {toml(categories)}
cc = {toml(cc)}
ip_pool = {toml(pool)}
"""
        path = tmp_path_factory.getbasetemp() / "second-opinion.toml"
        path.write_text(text)
        try:
            email = load(path, environ={}).plans.emails["b"]
        except ConfigError:
            return

        assert () == refusals_of_email(email)


class TestRoutes:
    def test_routes_and_their_actions_keep_their_order(self, loaded):
        """
        Asked in file order; acted on in the order in which the keys stand.
        """
        routes = loaded(f"""{EMAIL}
[sendgrid.groups]
news = 7
[list.vip]
[route.z]
unsuppress = "news"
send = {{ email = "a", to = "$.x", data = {{ k = 1 }}, template = "d-{"1" * 32}" }}
{WHEN}
suppress = "global"
stop = true
[route.a]
{WHEN}
add_to_list = "vip"
remove_from_list = "vip"
add_to_audience = "k"
remove_from_audience = "k"
upsert_contact = true
identify = {{ traits = {{ t = "$.x" }} }}
track = {{ event = "E", properties = {{ p = "$.x" }} }}
""").plans.routes

        assert ["z", "a"] == [route.name for route in routes]
        assert (True, False) == (routes[0].stop, routes[1].stop)
        unsuppress, send, suppress = routes[0].actions
        assert plans.Unsuppress("news") == unsuppress
        assert plans.Suppress("global") == suppress
        assert ("a", "X", {"k": 1}, f"d-{'1' * 32}") == (
            *(send.email, send.to.resolve({"x": "X"}), send.data.resolve({}), send.template),
        )
        *memberships, contact, identify, track = routes[1].actions
        assert [
            plans.ChangeList("vip", member=True),
            plans.ChangeList("vip", member=False),
            plans.ChangeAudience("k", member=True),
            plans.ChangeAudience("k", member=False),
        ] == memberships
        assert plans.UpsertContact() == contact
        assert {"t": "X"} == identify.traits.resolve({"x": "X"})
        assert ("E", {"p": "X"}) == (track.event, track.properties.resolve({"x": "X"}))

    def test_the_condition_is_ready_to_be_asked(self, loaded):
        """
        Parsed once, at load.
        """
        (route,) = loaded(f"{EMAIL}route.r = {{ {WHEN}, send = 'a' }}").plans.routes

        assert route.when.holds({"event": "X"})
        assert not route.when.holds({"event": "Y"})


class TestRules:
    def test_an_opt_out_without_a_group_is_for_all_email(self, loaded):
        """
        A group narrows it.
        """
        result = loaded(f"""
sendgrid.groups.news = 7
[suppression]
opt_out = [{{ {WHEN} }}, {{ {WHEN}, group = "news" }}]
opt_in = [{{ {WHEN} }}]
""").plans

        assert ["global", "news"] == [rule.scope for rule in result.opt_out]
        assert ["global"] == [rule.scope for rule in result.opt_in]
        assert {"news": 7} == result.groups

    def test_waits_and_writeback_have_the_documented_defaults(self, loaded):
        """
        An empty file decides as the manual says.
        """
        result = loaded().plans

        assert (300.0, 1_800.0) == (result.unknown_after_s, result.silent_after_s)
        assert MachineOpens.SEPARATE == result.writeback.machine_opens
        assert result.writeback.suppression_to_segment
        assert {
            *("delivered", "open", "click", "bounce", "dropped", "spamreport"),
            *("unsubscribe", "group_unsubscribe", "group_resubscribe"),
        } == result.writeback.events

    def test_traits_may_have_other_names(self, loaded):
        """
        Only those that differ are listed.
        """
        names = loaded(
            "suppression.traits.email_suppressed = 'blocked'"
        ).plans.writeback.trait_names

        assert {"email_suppressed": "blocked"} == names


BASE = f"""{EMAIL}
[email.b]
template = "d-{"2" * 32}"
data = {{ x = "$.a", y = {{ "@path" = "$.b" }} }}
[route.one]
{WHEN}
send = "a"
[route.two]
{WHEN}
send = "b"
"""


class TestVersion:
    @pytest.mark.parametrize(
        "same",
        [
            BASE + "\n# a comment",
            BASE.replace("[email.b]", "[email.b]\ndeliver_within = '1440m'\nclass = 'marketing'"),
            BASE.replace(
                'x = "$.a", y = { "@path" = "$.b" }', 'y = { "@path" = "$.b" }, x = "$.a"'
            ),
            BASE.replace("[email.b]", "[email . 'b']"),
            BASE + "[server]\nlisten = '127.0.0.1:9'\n[segment]\nwrite_key = '${A}'\n[caps]",
            BASE + "[writeback]\nnames = 'segment-sendgrid'\nevents = ['group_resubscribe', "
            "'delivered', 'open', 'click', 'bounce', 'dropped', 'spamreport', 'unsubscribe', "
            "'group_unsubscribe']",
        ],
    )
    def test_what_means_the_same_has_the_same_version(self, loaded, same):
        """
        Layout, defaults spelt out, order of keys, and parts that decide nothing do not count.
        """
        assert loaded(BASE).plans.version == loaded(same).plans.version

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            ("$.a", "$.c"),
            ('"@path" = "$.b"', '"@literal" = "$.b"'),
            ('event = "X"', 'event = "Y"'),
            ("[route.one]", "[route.three]"),
            ("Acme", "Acne"),
            ("[email.b]", "[email.b]\npriority = 1"),
            ("[email.b]", "[email.b]\nclass = 'transactional'"),
            ("[email.b]", "[writeback]\nevents = ['open']\n[email.b]"),
            ("[email.b]", "[writeback]\nnames = 'engage'\n[email.b]"),
            ("[email.b]", "[suppression]\nto_segment = false\n[email.b]"),
            ("[email.b]", "[sendgrid.groups]\nnews = 1\n[email.b]"),
            ('send = "b"', 'send = "b"\nstop = true'),
            ('send = "b"', 'send = { email = "b", data = {} }'),
            ('send = "b"', 'suppress = "global"'),
            ('send = "b"', 'unsuppress = "global"'),
        ],
    )
    def test_what_decides_otherwise_has_another_version(self, loaded, old, new):
        """
        Whatever could change a send, a suppression or a call changes the version.
        """
        changed = BASE.replace(old, new, 1)

        assert BASE != changed
        assert loaded(BASE).plans.version != loaded(changed).plans.version

    def test_the_order_of_routes_counts(self, loaded):
        """
        The first that stops hides the rest.
        """
        head, one, two = re.split(r"\[route\.\w+\]", BASE)
        swapped = f"{head}[route.two]{two}[route.one]{one}"

        assert loaded(BASE).plans.version != loaded(swapped).plans.version

    def test_the_text_of_a_body_counts(self, write):
        """
        Another text is another email.
        """
        text = "sendgrid.from = 'a@b.example'\nemail.a = { subject = 's', text_file = 'a.txt' }"
        versions = {
            load(write(text, a_txt=body), environ={}).plans.version for body in ("x", "y", "x")
        }

        assert 2 == len(versions)

    def test_every_process_finds_the_same(self, write):
        """
        It travels with the sends of one process and is compared by the next.
        """
        path = write(BASE)
        code = (
            "import sys, pathlib, homing.config as c;"
            "print(c.load(pathlib.Path(sys.argv[1]), environ={}).plans.version)"
        )
        versions = {
            subprocess.run(
                [sys.executable, "-c", code, path],
                env=os.environ | {"PYTHONHASHSEED": seed},
                capture_output=True,
                text=True,
                check=True,
            ).stdout
            for seed in "12"
        }

        assert {load(path, environ={}).plans.version + "\n"} == versions

    def test_any_value_that_toml_has_can_be_hashed(self, loaded):
        """
        What no JSON can hold is refused, or hashed; it never fails.
        """
        data = "{ a = 18446744073709551615, b = 1e300, c = [true, 1], d = {} }"

        assert loaded(f"{EMAIL}[email.b]\ntemplate = 'd-{'1' * 32}'\ndata = {data}").plans.version
