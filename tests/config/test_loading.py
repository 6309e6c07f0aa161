"""A whole configuration: what loads, what is refused and in which words, what serve asks."""
# ruff: noqa: E501 - a message is compared whole, on one line

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from homing.config import ConfigError, SecretRef, find_config, load

HERE = Path(__file__).parent
EXAMPLE = HERE.parents[1] / "config.example.toml"
DESIGN = HERE / "data" / "design.toml"

A = "sendgrid.from = 'a@b.example'\nemail.a.template = 'd-" + "0" * 32 + "'\n"
WHEN = """when = 'event = "X"'"""
TEMPLATE = f"template = 'd-{'0' * 32}'"

# One broken file each: the text after A (3 lines with its line end), and the messages it gives.
BROKEN = [
    # Unknown keys
    ("sever = 1", ['3: unknown key `sever`, did you mean "server"?']),
    ("server.lisen = 'x'", ['3: unknown key `server.lisen`, did you mean "listen"?']),
    ("server.zzz = 1", ["3: unknown key `server.zzz`"]),
    ("[segment.source.web]\nsecret = []", ['4: unknown key `segment.source.web.secret`, did you mean "secrets"?']),
    ("[email.b]\n" + TEMPLATE + "\nfrm = ''", ['5: unknown key `email.b.frm`, did you mean "from"?']),
    ("email.b = { " + TEMPLATE + ", class_ = 'marketing' }", ['3: unknown key `email.b.class_`, did you mean "class"?']),
    ("email.b = { " + TEMPLATE + ", tracking.click = true }", ['3: unknown key `email.b.tracking.click`, did you mean "clicks"?']),
    ("'[key]' = 1", ['3: unknown key `"[key]"`']),
    ("'<b>' = 1", ['3: unknown key `"<b>"`']),
    ("email.'[key]' = 1", ['3: expected `email."[key]"` to be a name of letters, digits, - and _, got "[key]"', '3: expected `email."[key]"` to be a table, got a number']),
    ("segment.source.'[key]' = {}", ['3: expected `segment.source."[key]"` to be a name of letters, digits, - and _, got "[key]"']),
    # Kinds
    ("server.listen = 8400", ['3: expected `server.listen` to be an address like "127.0.0.1:8400", got 8400']),
    ("server.max_body = '8 gigs'", ['3: expected `server.max_body` to be a size like "8MiB", got "8 gigs"']),
    ("server.max_body = '8GB'", ['3: expected `server.max_body` to be a size like "8MiB", got "8GB": from 1 byte to 1 GiB']),
    ("server.processes = true", ["3: expected `server.processes` to be a whole number from 1 to 2, got true"]),
    ("server.processes = 3", ["3: expected `server.processes` to be a whole number from 1 to 2, got 3"]),
    ("server = 1", ["3: expected `server` to be a table, got a number"]),
    ("[[server]]", ["3: expected `server` to be a table, got a list"]),
    ("include = 'x'", ["3: expected `include` to be a list, got text"]),
    ("include = [1]", ["3: expected `include[0]` to be text, got 1"]),
    ("store.dedupe = 1979-05-27", ['3: expected `store.dedupe` to be a duration like "2h", got 1979-05-27']),
    ("store.dedupe = '0s'", ['3: expected `store.dedupe` to be a duration like "2h", got "0s": it must be longer than nothing']),
    ("store.retention = '90d'", ['3: expected `store.retention` to be a table like { events = "90d" }, got text']),
    ("store.retention.events = '90 days'", ['3: expected `store.retention.events` to be a duration like "2h", got "90 days"']),
    ("store.url = 'mysql://x'", ['3: expected `store.url` to be "sqlite:FILE" or "postgresql://…", got "mysql://x"']),
    ("suppression.to_segment = 'yes'", ['3: expected `suppression.to_segment` to be true or false, got "yes"']),
    ("suppression.opt_out = {}", ["3: expected `suppression.opt_out` to be a list, got a table"]),
    ("suppression.opt_out = ['x']", ["""3: expected `suppression.opt_out[0]` to be a table like { when = 'type = "identify"' }, got text"""]),
    ("suppression.traits.email_supressed = 'x'", ['3: expected `suppression.traits.email_supressed` to be "email_subscription_status", "email_suppressed", "email_suppressed_reason", "email_suppressed_at" or "email_groups_unsubscribed", got "email_supressed": did you mean "email_suppressed"?']),
    ("segment.source.'a b' = {}", ['3: expected `segment.source."a b"` to be a name of letters, digits, - and _, got "a b"']),
    ("segment.source.web.batch = 'requiretoken'", ['3: expected `segment.source.web.batch` to be "require-token", "first-element" or "reject", got "requiretoken": did you mean "require-token"?']),
    ("segment.endpoint = 'http://evil.example'", ['3: expected `segment.endpoint` to be a URL like "https://api.sendgrid.com", got "http://evil.example": http is for loopback only']),
    ("segment.profiles = {}", ['3: expected `segment.profiles.space` to be a space id like "spa_…", got nothing', '3: expected `segment.profiles.token` to be a reference like "${NAME}", "${file:/path}" or "${credential:name}", got nothing']),
    ("writeback.events = ['opened']", ['3: expected `writeback.events[0]` to be "processed", "deferred", "delivered", "open", "click", "bounce", "dropped", "spamreport", "unsubscribe", "group_unsubscribe" or "group_resubscribe", got "opened": did you mean "open"?']),
    ("writeback.names = 'email_spec'", ['3: expected `writeback.names` to be "email-spec", "segment-sendgrid", "engage" or a table like { open = "Email Opened" }, got "email_spec": did you mean "email-spec"?']),
    ("writeback.names.opne = 'X'", ['3: expected `writeback.names` to be "email-spec", "segment-sendgrid", "engage" or a table like { open = "Email Opened" }, got a table: opne is no event of SendGrid, did you mean "open"?']),
    ("writeback.names.open = ' '", ['3: expected `writeback.names` to be "email-spec", "segment-sendgrid", "engage" or a table like { open = "Email Opened" }, got a table: the name for open is no text']),
    # Secrets
    ("sendgrid.api_key = 'SG.literal'", ['3: expected `sendgrid.api_key` to be a reference like "${NAME}", "${file:/path}" or "${credential:name}", got text (not shown): a secret does not belong in the file']),
    ("sendgrid.api_key = '${a b}'", ['3: expected `sendgrid.api_key` to be a reference like "${NAME}", "${file:/path}" or "${credential:name}", got text (not shown)']),
    ("segment.source.a.secrets = ['literal']", ['3: expected `segment.source.a.secrets[0]` to be a reference like "${NAME}", "${file:/path}" or "${credential:name}", got text (not shown): a secret does not belong in the file']),
    ("segment.source.a.secrets = 'literal'", ["3: expected `segment.source.a.secrets` to be a list, got text"]),
    ("segment = 'literal'", ["3: expected `segment` to be a table, got text"]),
    ("server.listen = 'SG.pasted'", ['3: expected `server.listen` to be an address like "127.0.0.1:8400", got text (not shown)']),
    ("server.listen = '${A}'", ['3: expected `server.listen` to be an address like "127.0.0.1:8400", got the reference ${A}']),
    ("email.b = { " + TEMPLATE + ", data = { a = ['${A}'] } }", ['3: expected `email.b.data` to be a table of values like { name = "$.traits.name" }, got a table: references are read only where a secret is expected']),
    # Conditions and values
    ("route.r = { when = 'event == \"x\"', send = 'a' }", ['3: expected `route.r.when` to be a condition like \'event = "Order Completed"\', got "event == \\"x\\"": equality is written `=`\n  event == "x"\n         ^']),
    ("route.r = { when = '', send = 'a' }", ["3: expected `route.r.when` to be a condition like 'event = \"Order Completed\"', got \"\": the condition is empty; to select everything, write `all`\n  \n  ^"]),
    ("route.r = { when = true, send = 'a' }", ["3: expected `route.r.when` to be a condition like 'event = \"Order Completed\"', got true"]),
    ("route.r.send = 'a'", ["3: expected `route.r.when` to be a condition like 'event = \"Order Completed\"', got nothing"]),
    ("email.b = { " + TEMPLATE + ", data = { a = { '@pth' = 'x' } } }", ['3: expected `email.b.data.a` to have a directive of mapping-kit, got "@pth" (did you mean "@path"?)']),
    ("email.b = { " + TEMPLATE + ", data = '$.properties' }", ['3: expected `email.b.data` to be a table of values like { name = "$.traits.name" }, got "$.properties"']),
    ("route.r = { " + WHEN + ", track = 'X' }", ['3: expected `route.r.track` to be a table like { event = "Reminder Sent" }, got text']),
    ("route.r = { " + WHEN + ", send = 1 }", ['3: expected `route.r.send` to be an email\'s name or a table like { email = "receipt" }, got a number']),
    ("route.r = { " + WHEN + ", upsert_contact = false }", ["3: expected `route.r.upsert_contact` to be true or a table like { fields = { … } }, got true or false"]),
    # Names of other things
    ("route.r = { " + WHEN + ", send = 'aa' }", ['3: expected `route.r.send` to be the name of an [email.*], got "aa", did you mean "a"?']),
    ("route.r = { " + WHEN + ", send = { email = 'zzz' } }", ['3: expected `route.r.send.email` to be the name of an [email.*], got "zzz"']),
    ("route.r = { " + WHEN + ", add_to_list = 'vip' }", ['3: expected `route.r.add_to_list` to be the name of a [list.*], got "vip"']),
    ("route.r = { " + WHEN + ", suppress = 'globl' }", ['3: expected `route.r.suppress` to be "global" or a name of `sendgrid.groups`, got "globl", did you mean "global"?']),
    ("suppression.opt_in = [{ " + WHEN + ", group = 'n' }]", ['3: expected `suppression.opt_in[0].group` to be a name of `sendgrid.groups`, got "n"']),
    ("email.b = { " + TEMPLATE + ", group = 'global' }", ['3: expected `email.b.group` to be a name of `sendgrid.groups`, got "global"']),
    ("route.r = { " + WHEN + " }", ["3: expected `route.r` to have an action, got none: send, track, identify, upsert_contact, add_to_list, remove_from_list, add_to_audience, remove_from_audience, suppress, unsuppress"]),
    ("sendgrid.groups = { a = 1, b = 1 }", ["3: expected `sendgrid.groups.b` to be the id of a group that has no other name (a), got 1"]),
    ("list.a.name = 'X'\nlist.b.name = 'X'", ['4: expected `list.b.name` to be the name of a list that has no other table ([list.a]), got "X"']),
    ("list.b.name = 'c'\n[list.c]", ['4: expected `list.c.name` to be the name of a list that has no other table ([list.b]), got "c"']),
    ("sendgrid.groups = { spam = 1, b = '2' }", ['3: expected `sendgrid.groups.spam` to be the name of a group, got "spam": the word means a list of SendGrid\'s own', '3: expected `sendgrid.groups.b` to be the id of a group, a whole number, got "2"']),
    # Emails
    ("email.b = {}", ["3: expected `email.b` to have a template, or a subject and html_file or text_file, got neither"]),
    ("email.b.subject = 's'", ["3: expected `email.b` to have html_file or text_file, got neither"]),
    ("email.b = { " + TEMPLATE + ", subject = 's' }", ["3: expected `email.b.subject` to be left out, as the template brings its own, got one"]),
    ("email.b.template = 'd-1'", ['3: expected `email.b.template` to be a template id like "d-" and 32 hex digits, got "d-1"']),
    ("email.b.template = '123e4567-e89b-12d3-a456-426614174000'", ['3: expected `email.b.template` to be a template id like "d-" and 32 hex digits, got "123e4567-e89b-12d3-a456-426614174000": a legacy template takes no dynamic data']),
    ("email.b = { " + TEMPLATE + ", class = 'promo' }", ['3: expected `email.b.class` to be "transactional" or "marketing", got "promo"']),
    ("email.b = { " + TEMPLATE + ", from = 'Acme' }", ['3: expected `email.b.from` to be an address like "Acme <hello@acme.example>", got "Acme"']),
    ("email.b = { " + TEMPLATE + ", cc = 'a@b.example' }", ["3: expected `email.b.cc` to be a list, got text"]),
    ("email.b = { " + TEMPLATE + ", cc = ['a@b.example'], bcc = ['A <A@b.example>'] }", ['3: expected `email.b.bcc[0]` to be an address that is not there yet, got "a@b.example": SendGrid refuses an address twice']),
    ("email.b = { " + TEMPLATE + ", headers.Subject = 'x' }", ['3: expected `email.b.headers.Subject` to be the name of a header that may be set, got "Subject": SendGrid sets it itself and refuses it from others']),
    ("email.b = { " + TEMPLATE + ", headers.X-A = 'é' }", ['3: expected `email.b.headers.X-A` to be ASCII text, got "é"']),
    ("email.b = { " + TEMPLATE + ', headers.X-A = "a\\nBcc: x" }', ['3: expected `email.b.headers.X-A` to be ASCII text, got "a\\nBcc: x"']),
    ("email.b = { " + TEMPLATE + ", headers = { X-A = 'a', x-a = 'b' } }", ["3: expected `email.b.headers.X-A` to be a header set once, got it again", "3: expected `email.b.headers.x-a` to be a header set once, got it again"]),
    ("email.b = { " + TEMPLATE + ", headers.'X A' = 'a' }", ['3: expected `email.b.headers."X A"` to be the name of a header that may be set, got "X A"']),
    ("email.b = { " + TEMPLATE + ", categories = ['é', 'a', 'a'] }", ['3: expected `email.b.categories[0]` to be ASCII text of at most 255 characters, got "é"']),
    ("email.b = { " + TEMPLATE + ", categories = ['a', 'a'] }", ['3: expected `email.b.categories[1]` to be another one than before, got "a"']),
    ("email.b = { " + TEMPLATE + f", categories = {[str(n) for n in range(11)]} }}", ["3: expected `email.b.categories` to be at most 10 categories, got 11"]),
    ("email.b = { " + TEMPLATE + ", custom_args = { n = 1 } }", ["3: expected `email.b.custom_args.n` to be text, got 1: SendGrid refuses custom args that are no text"]),
    ("email.b = { " + TEMPLATE + ", custom_args = { homing_send = 'x' } }", ['3: expected `email.b.custom_args.homing_send` to be the name of a custom arg, got "homing_send": names with homing_ are Homing\'s own']),
    ("email.b = { " + TEMPLATE + ", custom_args = { email = 'x' } }", ['3: expected `email.b.custom_args.email` to be the name of a custom arg, got "email": SendGrid\'s events have a field of this name, which would hide it']),
    ("email.b = { " + TEMPLATE + f", custom_args = {{ x = '{'é' * 4_500}' }} }}", ["3: expected `email.b.custom_args` to be custom args of at most 9,000 bytes together, got 9,009 bytes"]),
    ("email.b = { " + TEMPLATE + ", ip_pool = 'x' }", ['3: expected `email.b.ip_pool` to be the name of an IP pool, 2 to 64 characters, got "x"']),
    ("email.b = { " + TEMPLATE + ", deliver_within = '2 hours' }", ['3: expected `email.b.deliver_within` to be a duration like "2h", got "2 hours"']),
    # Who may see the pages
    ("server.admin = '0.0.0.0:8401'", ['3: expected `server.admin` to be a loopback address, as there is no `admin.password` and no `admin.token`, got "0.0.0.0:8401"']),
    ("server.admin = '127.0.0.1:8400'", ['3: expected `server.admin` to be another address than `server.listen`, got "127.0.0.1:8400"']),
    # Journeys
    ("journey.j = {}", ["""3: expected `journey.j.entry` to be a table like { when = 'event = "Product Added"' }, got nothing""", "3: expected `journey.j.step` to be a list, got nothing"]),
    ("journey.cart = { entry = { " + WHEN + " }, step = [{ id = 'wait', hold = '2 hours' }] }", ['3: expected `journey.cart.step.wait.hold` to be a duration like "2h", got "2 hours"']),
    ("journey.j = { entry = { " + WHEN + " }, step = [] }", ["3: expected `journey.j.step` to be a list of steps, got an empty one"]),
    ("journey.j = { entry = { " + WHEN + " }, step = [{ id = 'a', hold = '1h', delay = '1h' }] }", ["3: expected `journey.j.step.a` to have one kind, got hold and delay: hold, delay, until, split, random, send, track, identify, upsert_contact, add_to_list, remove_from_list, add_to_audience, remove_from_audience, suppress, unsuppress"]),
    ("journey.j = { entry = { " + WHEN + " }, step = [{ id = 'a', delay = '1h', sticky = true }] }", ["3: expected `journey.j.step.a.sticky` to be left out, as the step has no random, got one"]),
    ("journey.j = { entry = { " + WHEN + " }, step = [{ id = 'a', delay = '1h', next = 'b' }] }", ['3: expected `journey.j.step.a.next` to be a step\'s id, "next" or "end", got "b"']),
    ("journey.j = { entry = { " + WHEN + " }, step = [{ id = 'a', send = 'b' }] }", ['3: expected `journey.j.step.a.send` to be the name of an [email.*], got "b"']),
    ("journey.j = { entry = { " + WHEN + " }, step = [{ id = 'a', until = {} }] }", ["3: expected `journey.j.step.a.until` to have either `at` or `time`"]),
    ("journey.j = { entry = { " + WHEN + " }, step = [{ id = 'end', delay = '1h' }] }", ['3: expected `journey.j.step.end.id` to be a name that is no target\'s, got "end"']),
    ("journey.j = { entry = { " + WHEN + ", reentry = 'no' }, step = [{ id = 'a', delay = '1h' }] }", ['3: expected `journey.j.entry.reentry` to be "always", "once", "after-exit" or a duration like "30d", got "no"']),
    ("quiet_hours = { from = '9pm' }", ['3: expected `quiet_hours.from` to be a time of day like "21:00", got "9pm"', '3: expected `quiet_hours.to` to be a time of day like "21:00", got nothing']),
    ("contacts.fields.frist_name = '$.traits.x'", ['3: expected `contacts.fields.frist_name` to be "first_name", "last_name", "address_line_1", "address_line_2", "city", "state_province_region", "country", "postal_code", "alternate_emails", "phone_number", "whatsapp", "line", "facebook" or "unique_name", got "frist_name": did you mean "first_name"?']),
]  # fmt: skip


def problems_of(path):
    """
    Load what cannot be loaded; returns each problem without the file.
    """
    with pytest.raises(ConfigError) as error:
        load(path, environ={})
    return [str(problem).removeprefix(f"{path}:") for problem in error.value.problems]


class TestLoad:
    @pytest.mark.parametrize(("text", "messages"), BROKEN, ids=[text[:60] for text, _ in BROKEN])
    def test_each_error_is_said_in_one_form_with_its_line(self, write, text, messages):
        """
        Every message names the file, the line, the key, what was expected and what was found.
        """
        assert messages == problems_of(write(A + text))

    def test_all_errors_are_said_at_once(self, write):
        """
        Errors of shape, of names, of values and of files come together, in the order of the file.
        """
        text = f"""
[server]
listen = 1
[email.b]
class = "promo"
html_file = "none.html"
data = {{ a = {{ "@no" = 1 }} }}
[route.r]
when = "=="
send = "c"
[route.s]
{WHEN}
send = "d"
"""
        problems = problems_of(write(text))

        assert ["3", "4", "4", "5", "6", "7", "9", "10", "13"] == [
            problem.partition(":")[0] for problem in problems
        ]

    def test_what_is_wrong_once_is_said_once(self, write):
        """
        A sender that cannot be read is not also a missing one, nor is a template.
        """
        text = "sendgrid.from = 1\nemail.a.template = 1\nserver.admin = ':::'\nadmin.token = 'x'"

        assert 4 == len(problems_of(write(text)))

    def test_an_error_of_an_included_file_names_that_file(self, write):
        """
        The line belongs to the file that it stands in.
        """
        path = write("include = ['*.toml']", x_toml="\n\nserver.listen = 1")

        with pytest.raises(ConfigError) as error:
            load(path, environ={})

        (problem,) = error.value.problems
        assert (path.parent / "x.toml", 3) == (problem.file, problem.line)

    def test_the_error_reads_as_its_problems(self, write):
        """
        Who only prints the error prints everything.
        """
        path = write("a = 1\nb = 2")

        with pytest.raises(ConfigError) as error:
            load(path, environ={})

        assert f"{path}:1: unknown key `a`\n{path}:2: unknown key `b`" == str(error.value)

    def test_an_empty_file_is_a_configuration(self, loaded):
        """
        Every section is optional.
        """
        result = loaded("")

        assert (("127.0.0.1", 8400), ("127.0.0.1", 8401)) == (
            (result.settings.server.listen.host, result.settings.server.listen.port),
            (result.settings.server.admin.host, result.settings.server.admin.port),
        )
        assert () == result.warnings

    @pytest.mark.parametrize("path", [EXAMPLE, DESIGN], ids=["example", "design"])
    def test_the_example_loads_as_it_stands(self, path):
        """
        Without a single secret set there are only warnings.
        """
        result = load(path, environ={})

        missing = [w.key for w in result.warnings if "to be found" in w.message]
        idle = [w.key for w in result.warnings if "not run by this version" in w.message]
        assert [
            "segment.write_key",
            "segment.source.web.secrets[0]",
            "segment.source.web.token",
            "sendgrid.api_key",
            "sendgrid.webhook.default.public_keys[0]",
        ] == missing
        assert [] == idle
        assert len(result.warnings) == len(missing) + len(idle)

    def test_the_example_is_the_design_with_comments(self):
        """
        Both say the same, key by key.
        """
        assert tomllib.loads(DESIGN.read_text()) == tomllib.loads(EXAMPLE.read_text())

    def test_files_are_listed_main_first(self, write):
        """
        A reload has to look at all of them.
        """
        path = write("include = ['*.toml']", b_toml="", a_toml="")

        result = load(path, environ={})

        assert [path, path.parent / "a.toml", path.parent / "b.toml"] == list(result.files)

    @pytest.mark.parametrize(
        ("url", "file"),
        [("sqlite:homing.db", "{}/homing.db"), ("sqlite:/var/x.db", "/var/x.db")],
    )
    def test_the_store_is_relative_to_the_file(self, loaded, tmp_path, *, url, file):
        """
        Not to the folder in which the daemon happens to start.
        """
        result = loaded(f"store.url = '{url}'")

        assert Path(file.format(tmp_path)) == result.store_path


class TestSecrets:
    TEXT = """
sendgrid.api_key = "${KEY}"
segment.source.web = { secrets = ["${S1}", "${S2}"], token = "${TOKEN}" }
alerts.webhook = "https://hooks.example/literal-path"
segment.profiles = { space = "spa", token = "${PROFILE}" }
"""
    VALUES = {"KEY": "SG.kkk", "S1": "sss1", "S2": "sss2", "TOKEN": "ttt", "PROFILE": "ppp"}  # noqa: RUF012

    def test_no_way_of_showing_settings_shows_a_secret(self, loaded):
        """
        Neither repr, str, nor any dump holds a value, even after it was used.
        """
        result = loaded(self.TEXT, **self.VALUES)
        for ref in result.secrets:
            ref.resolve(self.VALUES)

        settings = result.settings
        shown = [
            *(repr(result), str(settings), repr(settings), f"{settings}"),
            *(str(settings.model_dump()), str(settings.model_dump(by_alias=True))),
            *(settings.model_dump_json(), str(result.warnings), str(result.plans)),
        ]
        hidden = [*self.VALUES.values(), "literal-path"]
        assert [] == [value for value in hidden for text in shown if value in text]
        assert "${KEY}" in settings.model_dump_json()

    def test_every_secret_is_listed_with_its_key(self, loaded):
        """
        The list is what check and doctor go through.
        """
        result = loaded(self.TEXT)

        assert [
            ("segment.profiles.token", "${PROFILE}"),
            ("segment.source.web.secrets[0]", "${S1}"),
            ("segment.source.web.secrets[1]", "${S2}"),
            ("segment.source.web.token", "${TOKEN}"),
            ("sendgrid.api_key", "${KEY}"),
            ("", "(literal)"),
        ] == [(ref.key, ref.reference) for ref in result.secrets]

    def test_all_values_are_given_for_the_log_to_hide(self, loaded):
        """
        Missing ones leave the others to be hidden.
        """
        result = loaded(self.TEXT)

        environ = {"KEY": "SG.kkk", "S1": ""}
        assert {"SG.kkk", "https://hooks.example/literal-path"} == result.secret_values(environ)

    def test_serve_is_refused_by_each_missing_secret(self, loaded):
        """
        All that is missing is named, with its line, save what this version does not run.
        """
        result = loaded(self.TEXT)

        problems = result.refusals({"KEY": "x", "S1": "x", "S2": ""})

        assert [
            (3, "segment.source.web.secrets[1]", "it is empty"),
            (3, "segment.source.web.token", "this environment variable is not set"),
        ] == [(p.line, p.key, p.message.rpartition("but ")[2]) for p in problems]
        assert () == result.refusals(self.VALUES)

    def test_capture_mode_needs_no_key(self, loaded):
        """
        Nothing leaves, so nothing is asked for.
        """
        result = loaded("sendgrid = { mode = 'capture', api_key = '${KEY}' }")

        assert () == result.refusals({})

    def test_a_reference_resolves_from_where_it_says(self, loaded, tmp_path):
        """
        What the file refers to is what the code gets.
        """
        (tmp_path / "key").write_text("from a file\n")

        result = loaded(f"sendgrid.api_key = '${{file:{tmp_path}/key}}'")

        ref = result.settings.sendgrid.api_key
        assert SecretRef("file", f"{tmp_path}/key", "sendgrid.api_key") == ref
        assert "from a file" == ref.resolve({})


class TestRefusals:
    def test_postgresql_loads_but_is_not_served(self, loaded):
        """
        The file stays valid for check; the daemon says what it cannot do.
        """
        result = loaded("store.url = 'postgresql://db.example/homing'")

        message = "`store.url`: PostgreSQL is not run by this version"
        assert [message] == [w.message for w in result.warnings]
        assert [message] == [p.message for p in result.refusals({})]

    def test_a_key_that_is_none_is_named_before_anything_starts(self, loaded):
        """
        Nothing could be verified by it; what stands there is not shown.
        """
        (problem,) = loaded("sendgrid.webhook.default.public_keys = ['${PUBLIC}']").refusals(
            {"PUBLIC": "MFkw-not-a-key"}
        )

        assert "sendgrid.webhook.default.public_keys[0]" == problem.key
        assert "P-256 public key" in problem.message
        assert "MFkw" not in problem.message

    def test_admin_beyond_loopback_needs_its_secret_to_be_there(self, loaded):
        """
        A reference alone protects nothing.
        """
        text = "server.admin = '0.0.0.0:8401'\nadmin.token = '${T}'"

        assert ["admin.token"] == [p.key for p in loaded(text).refusals({})]
        assert () == loaded(text).refusals({"T": "x"})


class TestFindConfig:
    @pytest.mark.parametrize(
        ("option", "environ", "path"),
        [
            ("x.toml", {"HOMING_CONFIG": "y.toml"}, "/cwd/x.toml"),
            ("/x.toml", {}, "/x.toml"),
            (None, {"HOMING_CONFIG": "y.toml"}, "/cwd/y.toml"),
            (None, {"HOMING_CONFIG": "/y.toml"}, "/y.toml"),
            (None, {"HOMING_CONFIG": ""}, "/cwd/homing.toml"),
            (None, {}, "/cwd/homing.toml"),
        ],
    )
    def test_the_option_comes_before_the_environment(self, *, option, environ, path):
        """
        Without either it is the file of the working directory.
        """
        chosen = find_config(Path(option) if option else None, environ, Path("/cwd"))

        assert Path(path) == chosen
