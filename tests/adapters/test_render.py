"""Rendering: SendGrid's published examples, Handlebars.js under Node, and hostile input."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from importlib.resources import files
from types import MappingProxyType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homing.adapters.render import HandlebarsRenderer, RenderError

VENDORED = files("homing.adapters.render").joinpath("vendor")

# One engine start is 10 ms, so the tests share one renderer.
RENDERER = HandlebarsRenderer()


def squeezed(text: str) -> str:
    return " ".join(text.split())


HELLO = "{{#%s a b}}yes{{else}}no{{/%s}}"
CART = "{{#greaterThan (length cartItems) 0}}have{{else}}empty{{/greaterThan}}"
OLD_CART = "{{#greaterThan 0 length cartItems}}have{{else}}empty{{/greaterThan}}"
SUSPENDED = "{{#if user.suspended}}Call: {{@root.supportPhone}}{{/if}}"
GREETING = (
    "{{#if user.profile.male}}Dear Sir{{else if user.profile.female}}Dear Madame"
    "{{else}}Dear Customer{{/if}}"
)
INSERTS = '{{insert name "default=Customer"}} about {{insert businessName "your business"}}'
ORDERS = "{{#each user.orderHistory}}<li>{{this.item}} on: {{this.date}}</li>{{/each}}"
STORY = (
    "{{#each user.story}}{{#if this.male}}<p>{{this.date}}</p>"
    "{{else if this.female}}<p>{{this.item}}</p>{{/if}}{{/each}}"
)
JOIN = "{{formatDate timeStamp dateFormat}}"
JOIN_AT = "{{formatDate timeStamp dateFormat timezoneOffset}}"
JOIN_DATA = {
    "timeStamp": "2020-01-01T23:00:00.000Z",
    "dateFormat": "MMMM DD, YYYY h:mm:ss A",
    "timezoneOffset": "-0800",
}

# SendGrid docs, "Using Handlebars": template, test data, resulting text.
PUBLISHED: list[tuple[str, dict[str, object], str]] = [
    ("<p>Hello {{ firstName }}</p>", {"firstName": "Ben"}, "<p>Hello Ben</p>"),
    ("{{user.profile.firstName}}", {"user": {"profile": {"firstName": "Ben"}}}, "Ben"),
    ("Hello {{user.profile.firstName}}", {"user": {"orderHistory": [{"item": "shoes"}]}}, "Hello "),
    ("{{{firstName}}}", {"firstName": "<strong>Ben</strong>"}, "<strong>Ben</strong>"),
    (JOIN, JOIN_DATA, "January 01, 2020 11:00:00 PM"),
    (JOIN_AT, JOIN_DATA, "January 01, 2020 3:00:00 PM"),
    (INSERTS, {"name": "Ben", "businessName": "Twilio SendGrid"}, "Ben about Twilio SendGrid"),
    (INSERTS, {"name": "Ben"}, "Ben about your business"),
    (INSERTS, {}, "Customer about your business"),
    (GREETING, {"user": {"profile": {"male": True}}}, "Dear Sir"),
    (GREETING, {"user": {"profile": {"female": True}}}, "Dear Madame"),
    (GREETING, {"user": {"profile": {}}}, "Dear Customer"),
    (SUSPENDED, {"user": {"suspended": True}, "supportPhone": "1-800"}, "Call: 1-800"),
    ("{{#unless user.active}}Warning{{/unless}}", {"user": {"active": False}}, "Warning"),
    ("{{#equals 3 \"3\"}}yes{{/equals}}", {}, "yes"),
    (CART, {"cartItems": ["raft", "water bottle", "sleeping bag"]}, "have"),
    (CART, {"cartItems": []}, "empty"),
    (OLD_CART, {"cartItems": ["raft"]}, "have"),
    (OLD_CART, {"cartItems": []}, "empty"),
    (
        ORDERS,
        {"user": {"orderHistory": [{"date": "2/1/2018", "item": "shoes"}]}},
        "<li>shoes on: 2/1/2018</li>",
    ),
    (
        STORY,
        {"user": {"story": [{"male": 1, "date": "2/1/2018"}, {"female": 1, "item": "shirt"}]}},
        "<p>2/1/2018</p><p>shirt</p>",
    ),
]  # fmt: skip

# helper, a, b, which branch: docs above, and facts that no example shows.
BRANCHES = [
    ("greaterThan", 100, 78, "yes"),
    ("greaterThan", 55, 78, "no"),
    ("greaterThan", 78, 78, "no"),
    ("greaterThan", "10", "9", "yes"),
    ("greaterThan", "10", 9, "yes"),
    ("greaterThan", "b", "a", "yes"),
    ("greaterThan", None, 0, "no"),
    ("greaterThan", "", -1, "no"),
    ("greaterThan", [2], 1, "no"),
    ("lessThan", 55, 78, "yes"),
    ("lessThan", 100, 78, "no"),
    ("lessThan", "9", "10", "yes"),
    ("lessThan", None, 1, "no"),
    ("equals", 289199, 289199, "yes"),
    ("equals", 167320, 289199, "no"),
    ("equals", "3", 3, "yes"),
    ("equals", True, "true", "yes"),
    ("equals", False, "false", "yes"),
    ("equals", True, "false", "no"),
    ("equals", "abc", True, "yes"),
    ("equals", [], False, "yes"),
    ("equals", None, "", "no"),
    ("notEquals", 20230710, 20230715, "yes"),
    ("notEquals", 20230715, 20230715, "no"),
    ("notEquals", 3, "3", "no"),
    ("and", "Pasta", "", "no"),
    ("and", "Pasta", "Coffee", "yes"),
    ("and", -1, 0.5, "yes"),
    ("and", 1, 0, "no"),
    ("and", [], "x", "no"),
    ("or", True, False, "yes"),
    ("or", False, False, "no"),
    ("or", "", "x", "yes"),
    ("or", 0, 0.0, "no"),
]

# The docs' table of tokens; "H" and "HH" are printed there as "00", "dddd" as "Tuesday", for a time
# that is Wednesday 15:00, so these three follow the calendar instead.
TOKENS = {
    "YYYY": "2020", "YY": "20", "MMMM": "January", "MMM": "Jan", "MM": "01", "M": "1",
    "DD": "01", "D": "1", "dddd": "Wednesday", "ddd": "Wed", "hh": "03", "h": "3", "HH": "15",
    "H": "15", "mm": "00", "m": "0", "ss": "00", "s": "0", "A": "PM", "ZZ": "-0800", "Z": "-08:00",
}  # fmt: skip

TIMES = [
    (1577919600, "2020-01-01 23:00:00"),
    ("1577919600", "2020-01-01 23:00:00"),
    (1577919600123, "2020-01-01 23:00:00"),
    (0, "1970-01-01 00:00:00"),
    (-1, "1969-12-31 23:59:59"),
    ("2020-01-01T23:00:00Z", "2020-01-01 23:00:00"),
    ("2020-01-01T23:00:00+02:00", "2020-01-01 21:00:00"),
    ("2020-01-01T23:00:00+0200", "2020-01-01 21:00:00"),
    ("2024-02-29T00:00:00.000Z", "2024-02-29 00:00:00"),
]
NO_TIMES = [
    "2020-12-04",
    "",
    "now",
    "2020-01-01T23:00:00",
    "2020-13-01T00:00:00Z",
    None,
    [1],
    1e300,
]

# What plain Handlebars.js does must hold here too: rendered by Node for comparison.
PLAIN = [
    "{{#each a}}{{this}}{{#each ../b}}{{@../index}}{{@index}}{{../../c}}{{/each}},{{/each}}",
    "{{#each o}}{{@key}}={{this}}{{#unless @last}}, {{/unless}}{{/each}}",
    "{{#each a as |x i|}}{{i}}{{x}}{{/each}}{{#each none}}x{{else}}nothing{{/each}}",
    "{{#if t}}{{#if f}}1{{else if t}}2{{else}}3{{/if}}{{/if}}{{^f}}inverse{{/f}}",
    "  {{#if t}}\n  line\n  {{/if}}\nend {{~c~}} x {{! no }}{{!-- {{no}} --}}\n",
    "{{o.k}} {{o.[k]}} {{a.[1]}} {{a.length}} {{[odd key]}} {{\"odd key\"}} {{this.c}} {{./c}}",
    "{{html}} {{{html}}} {{&html}} \\{{raw}} \\\\{{c}}",
    "{{n}} {{one}} {{big}} {{a}} {{o}} {{t}} {{f}} {{nothing}} {{none.deeper.still}}",
    "{{#o}}{{k}}{{/o}}{{#a}}{{this}},{{/a}}{{#t}}t{{/t}}{{#f}}f{{/f}}{{@root.c}}",
    "{{#each rows}}{{#each cells}}{{this}}{{#if @last}};{{/if}}{{/each}}{{/each}}",
    "{{constructor}}{{__proto__}}{{o.constructor.name}}{{a.constructor}}{{toString}}[end]",
    "{{#if ''}}x{{/if}}{{#if zero}}x{{else}}zero{{/if}}{{#if zero includeZero=true}}z{{/if}}",
    "é😀 {{emoji}} &lt; {{c}}\r\n{{#if t}}\r\nin\r\n{{/if}}\r\nout",
]  # fmt: skip
PLAIN_DATA = {
    "a": [1, 2, 3], "b": ["x", "y"], "c": "C", "o": {"k": "v", "k2": [1, {"z": 2}]}, "t": True,
    "f": False, "html": "<b>&\"'`=</b>", "n": 1.5, "one": 1.0, "big": 1e21, "nothing": None,
    "odd key": "odd", "rows": [{"cells": [1, 2]}, {"cells": []}], "zero": 0, "emoji": "😀\u2028",
}  # fmt: skip

NODE = """
const Handlebars = require(process.argv[1]);
const { templates, data } = JSON.parse(require("fs").readFileSync(0, "utf8"));
console.log(JSON.stringify(templates.map((t) => Handlebars.compile(t)(data))));
"""


def rendered_by_node(templates: list[str], data: Mapping[str, object]) -> list[str]:
    node = shutil.which("node")
    if node is None:
        pytest.skip("needs Node.js for a second opinion")
    ran = subprocess.run(
        [node, "-e", NODE, str(VENDORED.joinpath("handlebars-4.7.10.min.js"))],
        input=json.dumps({"templates": templates, "data": data}),
        capture_output=True,
        text=True,
        check=True,
    )
    outputs: list[str] = json.loads(ran.stdout)
    return outputs


def refusal_of(template: str, data: Mapping[str, object] | None = None) -> RenderError:
    with pytest.raises(RenderError) as caught:
        RENDERER.render(template, data or {})
    return caught.value


class TestVendored:
    def test_the_engine_is_the_published_file_with_its_licence(self):
        """
        The bytes are those of npm's handlebars 4.7.10 and carry the MIT licence.
        """
        source = VENDORED.joinpath("handlebars-4.7.10.min.js").read_bytes()

        assert (
            "e3be13921b1a0a6d7d7c72e4f561cc638e608c2476fd9b1919b72707e6933b62"
            == sha256(source).hexdigest()
        )
        assert b"handlebars v4.7.10" in source[:60]
        assert "Yehuda Katz" in VENDORED.joinpath("handlebars-LICENSE.txt").read_text()


class TestRender:
    @pytest.mark.parametrize(("template", "data", "expected"), PUBLISHED)
    def test_published_examples_render_as_printed(self, template, data, expected):
        """
        Every example of SendGrid's page renders what the page prints.
        """
        assert expected == RENDERER.render(template, data)

    @pytest.mark.parametrize("case", BRANCHES)
    def test_block_helpers_choose_the_documented_branch(self, case):
        """
        Each of the six comparing helpers takes its branch, and `else` the other.
        """
        helper, a, b, branch = case

        assert branch == RENDERER.render(HELLO % (helper, helper), {"a": a, "b": b})

    def test_without_else_the_other_branch_is_empty(self):
        """
        A block without else renders nothing when it does not hold.
        """
        assert "" == RENDERER.render("{{#equals 1 2}}yes{{/equals}}", {})

    def test_names_inside_a_block_helper_are_those_outside(self):
        """
        Comparing helpers do not change what names mean, also inside each.
        """
        template = (
            "{{#each xs}}{{#equals this ../x}}{{this}}{{@index}}{{@root.x}}{{/equals}}{{/each}}"
        )

        assert "212" == RENDERER.render(template, {"xs": [1, 2], "x": 2})

    @pytest.mark.parametrize(
        ("value", "expected"),
        [("abc", "3"), ("é😀", "2"), ([1, 2], "2"), (5, "0"), ({}, "0"), (None, "0")],
    )
    def test_length_counts_characters_or_items(self, value, expected):
        """
        Length is of texts and arrays, and 0 of all else.
        """
        assert expected == RENDERER.render("{{length x}}", {"x": value})

    @pytest.mark.parametrize(
        ("value", "shown"), [(0, "0"), (False, "false"), ("", "d"), (None, "d")]
    )
    def test_insert_falls_back_only_for_what_is_missing(self, value, shown):
        """
        Nothing, null and the empty text are missing; zero and false are values.
        """
        assert shown == RENDERER.render('{{insert x "default=d"}}', {"x": value})

    def test_insert_escapes_like_any_value(self):
        """
        A helper's result is HTML-escaped in a double-stash and raw in a triple one.
        """
        template = "{{insert x 'd'}} {{{insert x 'd'}}}"

        assert "&lt;b&gt; <b>" == RENDERER.render(template, {"x": "<b>"})

    @pytest.mark.parametrize(("token", "expected"), TOKENS.items())
    def test_format_date_knows_each_token(self, token, expected):
        """
        Every token of the docs' table, for the table's own instant and offset.
        """
        data = {"t": "2020-01-01T23:00:00.000Z", "f": token}

        assert expected == RENDERER.render("{{formatDate t f '-0800'}}", data)

    @pytest.mark.parametrize(("value", "expected"), TIMES)
    def test_format_date_reads_epochs_and_full_timestamps(self, value, expected):
        """
        Seconds, milliseconds, and ISO 8601 with a zone.
        """
        assert expected == RENDERER.render("{{formatDate t 'YYYY-MM-DD HH:mm:ss'}}", {"t": value})

    @pytest.mark.parametrize("value", NO_TIMES)
    def test_format_date_refuses_what_sendgrid_drops(self, value):
        """
        A date alone makes SendGrid drop the mail after its 202, so it fails here.
        """
        error = refusal_of("a\n{{formatDate t 'YYYY'}}", {"t": value})

        assert 2 == error.line
        assert "full ISO 8601 timestamp" in str(error)

    @pytest.mark.parametrize(
        ("offset", "expected"),
        [("'-0800'", "15:00"), ("-0800", "15:00"), ("'+0530'", "04:30"), ("530", "04:30"),
         ("'-08:00'", "15:00"), ("none", "23:00"), ("'+0000'", "23:00")],
    )  # fmt: skip
    def test_format_date_applies_the_offset(self, offset, expected):
        """
        An offset is text or a bare number; none means UTC.
        """
        template = f"{{{{formatDate t 'HH:mm' {offset}}}}}"

        assert expected == RENDERER.render(template, {"t": "2020-01-01T23:00:00Z"})

    def test_format_date_refuses_an_odd_offset(self):
        """
        A zone's name is no offset.
        """
        error = refusal_of("{{formatDate 0 'HH' 'Europe/Paris'}}")

        assert 'an offset such as "-0800", got "Europe/Paris"' in str(error)

    def test_plain_handlebars_renders_as_under_node(self):
        """
        The same engine in V8, unpatched, gives the same text.
        """
        expected = rendered_by_node(PLAIN, PLAIN_DATA)

        assert expected == [RENDERER.render(template, PLAIN_DATA) for template in PLAIN]

    def test_plain_text_can_go_unescaped(self):
        """
        Without escaping a value reaches a text part as it is; the two do not share a cache entry.
        """
        data = {"x": "Tom & Jerry"}

        assert "Tom &amp; Jerry" == RENDERER.render("{{x}}", data)
        assert "Tom & Jerry" == RENDERER.render("{{x}}", data, escape=False)

    def test_any_mapping_is_data(self):
        """
        Read-only mappings render like dicts, at any depth.
        """
        data = MappingProxyType({"a": MappingProxyType({"b": (1, 2)})})

        assert "1,2" == RENDERER.render("{{a.b}}", data)

    def test_what_cannot_cross_to_the_engine_survives(self):
        """
        NUL in data, which no mail may hold, and emoji cut in half by JavaScript become U+FFFD.
        """
        assert "a\ufffdb" == RENDERER.render("{{x}}", {"x": "a\0b"})
        assert "\ufffd" == RENDERER.render("{{x.[0]}}", {"x": "😀"})


class TestRefusals:
    @pytest.mark.parametrize(
        ("template", "line", "words"),
        [
            ("a\n{{#if x}", 2, "cannot be read"),
            ("a\n{{#if x}}\n", 3, "ends too early"),
            ("a\n{{#if x}}{{/each}}", 2, "if doesn't match each"),
            ("\n\n{{#with x}}{{/with}}", 3, "works in SendGrid's editor but not in sent mail"),
            ("{{> header}}", 1, "no partials"),
            ("{{#> layout}}{{/layout}}", 1, "no partials"),
            ("{{#*inline 'x'}}{{/inline}}", 1, "no decorators"),
            ("{{lookup a b}}", 1, "no lookup"),
            ("{{log a}}", 1, "no log"),
            ("\n{{uppercase name}}", 2, 'no helper "uppercase"; SendGrid has if, unless, each'),
            ("{{#if (eq a 1)}}{{/if}}", 1, 'no helper "eq"'),
            ("{{#each a}}{{#if b}}{{money x}}{{/if}}{{/each}}", 1, 'no helper "money"'),
            ("{{#equals ReminderCount 1 1}}x{{/equals}}", 1, "equals takes 2 arguments, got 3"),
            ("{{#and a}}{{/and}}", 1, "and takes at least 2 arguments, got 1"),
            ("{{#if a b}}{{/if}}", 1, "if takes 1 argument, got 2"),
            ("{{formatDate a}}", 1, "formatDate takes 2 to 3 arguments, got 1"),
            ("{{#length a}}{{/length}}", 1, "length is not a block helper"),
            ("a\n\0", 2, "contains '\\x00'"),
            ("a\n\n\ud800", 3, "contains '\\ud800'"),
        ],
    )
    def test_a_bad_template_is_refused_with_its_line(self, template, line, words):
        """
        What SendGrid lacks, and what does not parse, fails whatever the data is.
        """
        error = refusal_of(template)

        assert line == error.line
        assert words in str(error)
        assert str(error).startswith(f"line {line}: ")

    @pytest.mark.parametrize("data", [{"x": object()}, {"x": "\ud800"}, {"x": 2**70}, {1: 2}])
    def test_data_that_is_no_json_is_refused(self, data):
        """
        The error is ours and names the fault.
        """
        assert "the data is not JSON" in str(refusal_of("{{x}}", data))

    @pytest.mark.parametrize("key", ["toHTML", "toString", "valueOf"])
    def test_data_posing_as_code_is_an_error_or_text(self, key):
        """
        An object whose keys are JavaScript's own methods cannot break out of a render.
        """
        try:
            RENDERER.render("{{x}} {{#if x}}{{x.y}}{{/if}}", {"x": {key: 1}})
        except RenderError as error:
            assert "TypeError" in str(error)  # noqa: PT017  # either is right


class TestPrototypes:
    @pytest.mark.parametrize(
        "name", ["constructor", "__proto__", "hasOwnProperty", "__defineGetter__", "toString"]
    )
    def test_what_every_object_inherits_reads_as_nothing(self, name):
        """
        Templates reach own properties only.
        """
        template = f"{{{{{name}}}}}{{{{o.{name}}}}}{{{{o.{name}.{name}}}}}{{{{a.{name}}}}}"

        assert "" == RENDERER.render(template, {"o": {}, "a": []})

    def test_hostile_keys_stay_data(self):
        """
        Data with `__proto__` and `constructor` changes no later render.
        """
        hostile = {
            "__proto__": {"leak": "L", "isAdmin": True},
            "constructor": {"prototype": {"p": 1}},
        }

        assert "L" == RENDERER.render("{{__proto__.leak}}{{isAdmin}}{{leak}}", hostile)
        assert "" == RENDERER.render("{{leak}}{{isAdmin}}{{p}}{{o.leak}}", {"o": {}})

    @pytest.mark.parametrize(
        "template",
        [
            "{{helperMissing}}",
            "{{#blockHelperMissing a}}x{{/blockHelperMissing}}",
            "{{#each (constructor 'x')}}{{/each}}",
            "{{constructor.constructor 'return 1'}}",
            "{{__defineGetter__ 'a' b}}",
        ],
    )
    def test_known_attacks_on_the_engine_are_errors(self, template):
        """
        Calls to what is no helper fail, whatever they name.
        """
        refusal_of(template, {"a": 1})


NESTED = "{{#each a}}" + "{{#each @root.a}}" * 3 + "x" * 10 + "{{/each}}" * 4


class TestLimits:
    def test_a_render_that_takes_too_long_is_stopped(self):
        """
        Nested loops over a long list end at the time limit, and the next render is whole.
        """
        renderer = HandlebarsRenderer(time_limit_s=0.05)

        with pytest.raises(RenderError, match=r"took longer than 0\.05 s"):
            renderer.render(NESTED, {"a": list(range(300))})
        assert "Hi Ada" == renderer.render("Hi {{name}}", {"name": "Ada"})

    def test_a_render_that_takes_too_much_memory_is_stopped(self):
        """
        A value larger than the limit, and many copies of one, end at the memory limit.
        """
        renderer = HandlebarsRenderer(time_limit_s=5, memory_limit_bytes=8 * 1024 * 1024)
        doubled = {"a": list(range(200)), "s": "<" * 20_000}

        for template, data in [
            ("{{a}}", {"a": "x" * 9_000_000}),
            ("{{#each a}}{{@root.s}}{{/each}}", doubled),
        ]:
            with pytest.raises(RenderError, match="needs more than 8 MiB of memory"):
                renderer.render(template, data)
            assert "Hi Ada" == renderer.render("Hi {{name}}", {"name": "Ada"})

    def test_a_long_output_is_refused(self):
        """
        One character above the bound is too long; the bound itself is not.
        """
        renderer = HandlebarsRenderer(max_output=10)

        assert "x" * 10 == renderer.render("{{a}}", {"a": "x" * 10})
        with pytest.raises(RenderError, match="longer than 10 characters"):
            renderer.render("{{a}}", {"a": "x" * 11})

    @pytest.mark.parametrize(
        "template",
        [
            "{{#if a}}" * 600 + "{{/if}}" * 600,
            "{{length " + "(length " * 600 + "a" + ")" * 600 + "}}",
        ],
    )
    def test_deep_nesting_is_refused(self, template):
        """
        Hundreds of nested blocks or arguments are an error, not a crash.
        """
        assert "nested too deeply" in str(refusal_of(template, {"a": 1}))

    def test_sensible_nesting_is_not(self):
        """
        A hundred nested blocks render.
        """
        assert "x" == RENDERER.render("{{#if a}}" * 100 + "x" + "{{/if}}" * 100, {"a": 1})

    @pytest.mark.parametrize(
        "template",
        [
            "{{" * 400_000,
            "{{!" * 300_000,
            '{{a "' + '"' * 200_000,
            "x" * 1_000_001,
            "{{[" * 300_000,
        ],
    )
    def test_hostile_templates_end_soon(self, template):
        """
        A megabyte made to confuse the parser is refused within the compile limit.
        """
        refusal_of(template)

    def test_a_large_template_compiles_in_linear_time(self):
        """
        Fifty kilobytes with a thousand tags stay within the compile limit.
        """
        row = "<tr><td style='padding: 4px'>{{a}}</td></tr>\n"

        assert row.replace("{{a}}", "1") * 1_000 == RENDERER.render(row * 1_000, {"a": 1})

    def test_many_templates_leave_memory_bounded(self):
        """
        Hundreds of distinct templates fit in a small engine, since old ones are forgotten.
        """
        renderer = HandlebarsRenderer(memory_limit_bytes=8 * 1024 * 1024)

        for number in range(200):
            filler = "x" * 10_000
            assert f"{number}1{filler}" == renderer.render(f"{number}{{{{a}}}}{filler}", {"a": 1})


class TestThreads:
    def test_threads_share_a_renderer(self):
        """
        Four threads over eight templates each get their own answer.
        """
        renderer = HandlebarsRenderer()

        def work(number: int) -> str:
            template = "{{#each a}}{{this}}" + f"-{number % 8} " + "{{/each}}"
            return renderer.render(template, {"a": [number] * 3})

        with ThreadPoolExecutor(4) as executor:
            found = list(executor.map(work, range(200)))
        assert [f"{number}-{number % 8} " * 3 for number in range(200)] == found

    def test_a_renderer_may_end_before_its_threads(self):
        """
        Engines are released from another thread than the one that made them.
        """
        with ThreadPoolExecutor(2) as executor:
            made = [HandlebarsRenderer()]
            render = made[0].render
            assert "1" == executor.submit(render, "{{a}}", {"a": 1}).result()
            made.clear()
            del render
            assert 3 == executor.submit(sum, [1, 2]).result()


class TestVariables:
    @pytest.mark.parametrize(
        ("template", "expected"),
        [
            ("no tags", set()),
            ("{{a}} {{{b.c}}} {{&d}}", {"a", "b.c", "d"}),
            ("{{this.a}} {{./b}} {{this}}", {"a", "b"}),
            ("{{#if a}}{{b}}{{else if c}}{{d}}{{else}}{{e}}{{/if}}", set("abcde")),
            ("{{#each items}}{{name}}{{this.price}}{{this}}{{@index}}{{@key}}{{/each}}", {"items"}),
            ("{{#each a}}{{../total}}{{@root.shop.name}}{{/each}}", {"a", "total", "shop.name"}),
            ("{{#each a}}{{#if b}}{{../c}}{{/if}}{{else}}{{d}}{{/each}}", {"a", "c", "d"}),
            ("{{#each a}}{{#each b}}{{../../c}}{{../d}}{{/each}}{{/each}}", {"a", "c"}),
            ("{{#each a as |item i|}}{{item.x}}{{i}}{{y}}{{/each}}{{item}}", {"a", "item"}),
            ("{{#with a.b}}{{c}}{{../d}}{{/with}}", {"a.b", "a.b.c", "d"}),
            ("{{#section}}{{x}}{{/section}}", {"section"}),
            ("{{#each (foo bar)}}{{x}}{{/each}}", {"bar"}),
            ("{{insert name 'default=x'}}{{formatDate at 'YYYY' zone}}", {"name", "at", "zone"}),
            ("{{#greaterThan (length cart) limit}}{{a}}{{/greaterThan}}", {"cart", "limit", "a"}),
            ("{{#greaterThan 0 length cart}}{{/greaterThan}}", {"cart"}),
            ("{{#equals 'x' \"y\"}}{{/equals}}{{#if true}}{{/if}}", set()),
            ("{{a.[0].b}} {{a.length}} {{[odd key]}} {{'quoted'}}", {"a", "odd key", "quoted"}),
            ("{{! a }}{{!-- {{b}} --}}\\{{c}}", set()),
            ("{{helper key=value}}", {"value"}),
        ],
    )  # fmt: skip
    def test_lists_what_is_read_from_the_root(self, template, expected):
        """
        Scopes of each, with, sections and block parameters are followed; helpers are no variables.
        """
        assert frozenset(expected) == RENDERER.variables(template)

    def test_a_template_that_does_not_parse_has_none(self):
        """
        The parse error is raised.
        """
        with pytest.raises(RenderError, match="line 1"):
            RENDERER.variables("{{#if}")

    @given(st.dictionaries(st.from_regex(r"[a-z]{1,6}", fullmatch=True), st.text(), min_size=1))
    @settings(max_examples=30, deadline=None)
    def test_what_is_printed_is_listed(self, data):
        """
        Whatever names a template prints are its variables, and none is missing.
        """
        template = " ".join(f"{{{{this.{name}}}}}" for name in data)

        assert frozenset(data) == RENDERER.variables(template)
        assert frozenset() == RENDERER.missing(template, data)


class TestMissing:
    @pytest.mark.parametrize(
        ("template", "data", "expected"),
        [
            ("{{a}}{{b.c}}", {"a": ""}, {"b.c"}),
            ("{{a}}", {"a": None}, {"a"}),
            ("{{#each a}}{{x}}{{y}}{{/each}}", {"a": [{"x": 1}, {}]}, {"a[].x", "a[].y"}),
            ("{{#each items}}{{name}}{{/each}}", {"items": [{"name": 1}]}, set()),
            ("{{#each items}}{{name}}{{/each}}", {"items": []}, set()),
            ("{{#each items}}{{name}}{{/each}}", {}, {"items", "items[].name"}),
            ("{{#each o}}{{x}}{{/each}}", {"o": {"k": {"x": 1}, "l": {}}}, {"o[].x"}),
            ("{{a.[0].b}}{{a.[1].b}}{{a.length}}", {"a": [{"b": 1}]}, {"a.1.b"}),
            ("{{a.b}}", {"a": "text"}, {"a.b"}),
        ],
    )  # fmt: skip
    def test_lists_what_the_data_lacks(self, template, data, expected):
        """
        Absent and null are missing, also of the elements of a list; empty text is not.
        """
        assert frozenset(expected) == RENDERER.missing(template, data)


class TestWarnings:
    @pytest.mark.parametrize(
        ("template", "words"),
        [
            ("\n{{{x}}}", "line 2: {{{x}}} is not HTML-escaped"),
            ("{{&x}}", "{{{x}}} is not HTML-escaped"),
            ("{{#each a}}{{../b}}{{/each}}", "the depth of ../b differs"),
            ("{{date}}", "write {{this.date}}"),
            ("{{#each a}}{{date}}{{/each}}", "write {{this.date}}"),
            ("{{#greaterThan 0 length x}}{{/greaterThan}}", "(length items) 0"),
            ("{{#if (equals a b)}}{{/if}}", "write {{#equals …}}"),
            ("{{#and a b c}}{{/and}}", "and with two arguments"),
            ("{{#section}}{{/section}}", "does not document {{#section}}"),
            ("{{#equals a 1}}{{b}}{{/equals}}", "@root.name works in both"),
            ("{{#with a}}{{/with}}", "not in sent mail"),
            ("{{money a}}", 'no helper "money"'),
        ],
    )
    def test_each_trap_is_named(self, template, words):
        """
        A remark says the line, what is wrong, and what to write.
        """
        (remark,) = RENDERER.warnings(template)

        assert words in remark
        assert re.match(r"line \d+: ", remark)

    @pytest.mark.parametrize(
        "template",
        [
            "Hi {{name}}, {{#if a}}{{b}}{{else}}{{c}}{{/if}}",
            "{{#each items}}{{this.name}} {{@root.total}} {{@index}}{{/each}}",
            "{{this.date}} {{order.date}} {{formatDate date 'YYYY'}}",
            "{{#equals a 1}}yes{{else}}no{{/equals}}",
            "{{#greaterThan (length items) 0}}yes{{/greaterThan}}",
            "{{#each days as |date|}}{{date}}{{/each}}",
        ],
    )
    def test_good_templates_have_none(self, template):
        """
        What the docs show is not warned of.
        """
        assert () == RENDERER.warnings(template)

    def test_a_subject_wants_triple_stashes(self):
        """
        In a subject line the advice is the other way round.
        """
        (remark,) = RENDERER.warnings("Hi {{name}} {{{team}}}", subject=True)

        assert "write {{{name}}}" in remark

    def test_remarks_come_in_order_of_line_and_once(self):
        """
        The same remark on one line is not repeated.
        """
        found = RENDERER.warnings("{{{b}}}\n{{date}}\n{{#with a}}{{/with}}\n{{{c}}}{{{c}}}")

        assert ["line 1", "line 2", "line 3", "line 4"] == [remark[:6] for remark in found]


PIECES = (
    "{{ }} {{{ }}} #if /if else each #each /each a ( ) ' \" ../ @root . [ ] ~ !-- -- ^ & > * | = "
    "\\ é😀 equals length {{a}} {{#if {{/if}} {{#each {{/each}}"
)


class TestFuzz:
    @given(st.lists(st.sampled_from([*PIECES.split(), " ", "\n", "as |x|"]), max_size=14))
    @settings(max_examples=150, deadline=None)
    def test_any_text_renders_or_is_refused(self, pieces):
        """
        No text raises anything but our error.
        """
        template = "".join(pieces)
        try:
            RENDERER.render(template, {"a": [1]})
            RENDERER.variables(template)
            RENDERER.warnings(template)
        except RenderError as error:
            assert str(error)  # noqa: PT017  # either is right


PIECES = [
    "{{a}}", "{{a.c}}", "{{b}}", "{{items.0.c}}", "{{@root.b.c}}",
    "{{#if a}}{{a.c}}{{b}}{{else}}{{items}}{{/if}}",
    "{{#unless b}}{{a}}{{else}}{{b.c}}{{/unless}}",
    "{{#each items}}{{c}}{{../a}}{{#if c}}{{@root.b}}{{/if}}{{else}}{{b}}{{/each}}",
    '{{#equals a "x"}}{{b}}{{else}}{{a}}{{/equals}}', '{{insert a "default=x"}}{{insert b}}',
]  # fmt: skip


class TestInspected:
    @pytest.mark.parametrize(
        ("template", "needs"),
        [
            ("{{name}}", [("name", (), False)]),
            ("{{{order.total}}}", [("order.total", (), False)]),
            ("{{this.name}} {{@root.a.b}}", [("name", (), False), ("a.b", (), False)]),
            # asked for: needed inside only where it is there
            ("{{#if name}}Hi {{name}}{{/if}}", [("name", ("name",), False)]),
            ("{{#if order}}{{order.total}}{{/if}}", [("order.total", ("order",), False)]),
            ("{{#if vip}}{{code}}{{/if}}", [("code", ("vip",), True)]),
            ("{{#unless a}}{{b}}{{else}}{{a}}{{/unless}}", [("b", (), True), ("a", ("a",), False)]),
            ("{{#if a}}{{else}}{{b}}{{/if}}", [("b", (), True)]),
            ("{{#if a}}{{else if b}}{{b}}{{/if}}", [("b", ("b",), True)]),
            ("{{#and a b}}{{a}}{{/and}}", [("a", ("a", "b"), True)]),
            ("{{#or a b}}{{a}}{{/or}}", [("a", (), True)]),
            ('{{#equals plan "pro"}}x{{/equals}}', [("plan", (), True)]),
            # lists
            ("{{#each items}}x{{/each}}", [("items", (), False)]),
            ("{{#each items}}x{{else}}none{{/each}}", []),
            (
                "{{#each items}}{{name}}{{@index}}{{../currency}}{{/each}}",
                [
                    ("items", (), False),
                    ("items[].name", ("items",), False),
                    ("currency", (), False),
                ],
            ),
            (
                "{{#each a as |x i|}}{{x.b}}{{i}}{{/each}}",
                [("a", (), False), ("a[].b", ("a",), False)],
            ),
            (
                "{{#each a}}{{#each b}}{{c}}{{/each}}{{/each}}",
                [
                    ("a", (), False),
                    ("a[].b", ("a",), False),
                    ("a[].b[].c", ("a", "a[].b"), False),
                ],
            ),
            # helpers
            ('{{insert a "default=x"}}{{insert b}}', [("b", (), False)]),
            ('{{formatDate at "YYYY"}}', [("at", (), False)]),
            ("{{#greaterThan (length items) 0}}x{{/greaterThan}}", []),
            # what nothing is read by
            ("{{! a comment}}{{unsubscribe}}", [("unsubscribe", (), False)]),
            ("plain", []),
        ],
    )
    def test_what_is_shown_is_needed_unless_something_guards_it(self, template, needs):
        """Blocks that ask for a path, defaults, lists, parents and helpers are followed."""
        found = RENDERER.inspected(template)

        assert needs == [(one.path, one.given, one.conditional) for one in found.needs]

    def test_a_need_knows_its_line(self):
        """Counted from 1."""
        (need,) = RENDERER.inspected("a\nb {{c}}").needs

        assert 2 == need.line

    def test_problems_are_what_drops_the_mail(self):
        """What is merely easily got wrong is not among them."""
        found = RENDERER.inspected("{{{raw}}}{{#with a}}{{b}}{{/with}}\n{{> part}}")

        assert ["line 1", "line 2"] == [one.partition(":")[0] for one in found.problems]

    def test_a_template_that_does_not_parse_is_refused(self):
        """As when it is rendered."""
        with pytest.raises(RenderError):
            RENDERER.inspected("{{#if}")

    @pytest.mark.parametrize(
        ("template", "data", "missing"),
        [
            ("{{name}}", {}, ["name"]),
            ("{{name}}", {"name": None}, ["name"]),
            ("{{name}}", {"name": ""}, []),
            ("{{#if vip}}{{code}}{{/if}}", {}, []),
            ("{{#if vip}}{{code}}{{/if}}", {"vip": False}, []),
            ("{{#if vip}}{{code}}{{/if}}", {"vip": True}, ["code"]),
            ("{{#if o}}{{o.t}}{{/if}}", {"o": {"x": 1}}, ["o.t"]),
            ("{{#each a}}{{n}}{{/each}}", {"a": []}, []),
            ("{{#each a}}{{n}}{{/each}}", {"a": [{"n": 1}, {}]}, ["a[].n"]),
            ("{{#each a}}{{n}}{{/each}}", {}, ["a"]),
            ("{{#each a}}{{n}}{{else}}-{{/each}}", {}, []),
            ("{{#each a}}{{#each b}}{{c}}{{/each}}{{/each}}", {"a": [{"b": [{}]}]}, ["a[].b[].c"]),
        ],
    )
    def test_what_is_missing_depends_on_what_the_blocks_around_show(self, template, data, missing):
        """A block that is not shown needs nothing."""
        needs = RENDERER.inspected(template).needs

        assert missing == [one.path for one in needs if one.is_missing(data)]

    @given(
        pieces=st.lists(st.sampled_from(PIECES), max_size=6),
        data=st.dictionaries(
            st.sampled_from(["a", "b", "items"]),
            st.none()
            | st.booleans()
            | st.text(max_size=2)
            | st.fixed_dictionaries({}, optional={"c": st.text(max_size=1)})
            | st.lists(st.fixed_dictionaries({}, optional={"c": st.integers()}), max_size=2),
        ),
    )
    def test_what_is_needed_and_missing_is_read_and_missing(self, pieces, data):
        """Guards only ever take away."""
        template = "".join(pieces)
        missing = {one.path for one in RENDERER.inspected(template).needs if one.is_missing(data)}

        assert missing <= RENDERER.missing(template, data)

    @given(numbers=st.sets(st.integers(0, 99), max_size=6))
    def test_whatever_a_template_prints_it_needs(self, numbers):
        """And nothing is missing of data that has all of it."""
        names = sorted(f"name_{number}" for number in numbers)
        found = RENDERER.inspected("".join(f"{{{{{name}}}}}" for name in names))

        assert names == [one.path for one in found.needs]
        assert not any(one.is_missing(dict.fromkeys(names, "x")) for one in found.needs)
