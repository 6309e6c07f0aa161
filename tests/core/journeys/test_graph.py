"""Pictures of journeys: all that a journey says is on them, and nothing hostile gets through."""

from __future__ import annotations

import datetime as dt
import re
from itertools import combinations
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homing.core.durations import parse_duration
from homing.core.fql import parse
from homing.core.journeys.graph import Shape, chart_of, mermaid, svg
from homing.core.journeys.program import (
    DAY_MS,
    END,
    RESTART,
    Act,
    Awaited,
    Branch,
    Delay,
    Entry,
    Exit,
    Goal,
    Hold,
    Journey,
    KeyPath,
    Random,
    Split,
    Until,
    Variant,
)
from homing.core.mapping import compile_mapping
from homing.core.plans import (
    ChangeAudience,
    ChangeList,
    Identify,
    Send,
    Suppress,
    Track,
    Unsuppress,
    UpsertContact,
)

HOUR = 3_600_000
ALL = parse("all")
NOTHING = compile_mapping({})
SVG = "{http://www.w3.org/2000/svg}"

ADDED, CHANGED, BOUGHT = (
    parse(f'event = "{name}"') for name in ("Product Added", "Cart Modified", "Order Completed")
)
CART = Journey(
    name="cart",
    version="1",
    entry=Entry(ADDED, key=KeyPath("$.properties.cart_id", lambda _: None)),
    steps=(
        Hold("wait", 2 * HOUR, (Awaited("changed", CHANGED, RESTART),), timeout=1),
        Random("which", (Variant("plain", 1, 2), Variant("none", 3, END)), sticky=True),
        Act("remind", Send("cart-reminder"), next=3),
        Until("morning", 4, time=dt.time(9), days=frozenset({3, 0}), zone="Europe/Berlin"),
        Split("reads", (Branch("clicked", ALL, 0), Branch("opened", ALL, 5)), otherwise=END),
        Delay("pause", 36 * HOUR, next=END),
    ),
    exits=(Exit("bought", BOUGHT, send=Send("thanks")),),
    goal=Goal(BOUGHT, within_ms=7 * DAY_MS),
)

HOSTILE = [
    *('"', "'", '"]', '"])', "]]", ")", "}}", "|", '"|', "<script>alert(1)</script>", "&lt;", "&"),
    *(
        "#",
        ";",
        "#quot;",
        "#34;",
        "#60;b#62;",
        "$$$$",
        "`",
        "`**b**`",
        "_i_",
        "*i*",
        "1. one",
        "- one",
        "# h",
        "> q",
    ),
    *(
        "--> x",
        "---",
        "%% c",
        "%%{init: {}}%%",
        "end",
        "graph",
        "subgraph",
        "click a b",
        "a\nb",
        "&lt;b&gt;x",
    ),
    *("style a fill:#f00;", "classDef a b:#c;", ":::c", "$$x^2$$", "fa:fa-user", "@{shape: x}"),
    *("\0", "\x1b[31m", "\r\n", "\ud800", "\uffff", "\u202eabc", "\ufb02\xb0\xb035\xb6\xdf"),
    *(
        "]]>",
        "<!--",
        "--",
        "<?x?>",
        "www.example.com",
        "http://a.b",
        "![x](y)",
        "日本語",
        "😀",
        "a-b",
    ),
]
TEXTS = st.sampled_from(HOSTILE) | st.text(max_size=80)


def described(steps, **more):
    return Journey("j", "1", Entry(ALL), tuple(steps), **more)


def step_text(step):
    """Return what the picture says of the only step of a journey."""
    return chart_of(described([step])).nodes[1].lines[1]


@st.composite
def journeys(draw):
    """Journeys whose texts are hostile and whose targets lead anywhere."""
    count = draw(st.integers(0, 7))
    targets = st.integers(-1, count - 1)
    names = TEXTS
    branches = st.lists(st.builds(Branch, names, st.just(ALL), targets), max_size=3)
    awaited = st.lists(
        st.builds(Awaited, names, st.just(ALL), targets | st.just(RESTART)), max_size=3
    )
    variants = st.lists(st.builds(Variant, names, st.floats(0, 9), targets), min_size=1, max_size=3)
    durations = st.integers(0, 10**10)
    steps = st.one_of(
        st.builds(Hold, names, durations, awaited.map(tuple), targets),
        st.builds(Delay, names, durations, targets),
        st.builds(Until, names, targets, time=st.just(dt.time(9))),
        st.builds(Split, names, branches.map(tuple), targets),
        st.builds(Random, names, variants.map(tuple)),
        st.builds(Act, names, st.builds(Send, names) | st.builds(Track, names), targets),
    )
    return Journey(
        name=draw(names),
        version="1",
        entry=Entry(ALL),
        steps=tuple(draw(st.lists(steps, min_size=count, max_size=count))),
        exits=tuple(draw(st.lists(st.builds(Exit, names, st.just(ALL)), max_size=3))),
        goal=draw(st.none() | st.just(Goal(ALL))),
    )


def drawn(journey, counts=None):
    return ET.fromstring(svg(journey, counts))  # noqa: S314 - our own text


def groups(root):
    """Return the drawn boxes as (outline, texts); an outline is (left, top, right, bottom)."""
    return [
        (outline_of(group), [text for text in group if text.tag == f"{SVG}text"])
        for group in root.iter(f"{SVG}g")
        if group.get("class") != "edge"
    ]


def outline_of(group):
    shape = group[0]
    if shape.tag == f"{SVG}rect":
        x, y, w, h = (float(shape.get(name)) for name in ("x", "y", "width", "height"))
        return x, y, x + w, y + h
    points = [tuple(map(float, pair.split(","))) for pair in shape.get("points").split()]
    xs, ys = zip(*points, strict=True)
    return min(xs), min(ys), max(xs), max(ys)


class TestChartOf:
    def test_every_step_and_every_way_is_there(self):
        """
        Entry, steps, ends, exits and goal are boxes; branches and timers are arrows.
        """
        chart = chart_of(CART)

        assert [
            ("enter", Shape.ENTRY),
            ("step0", Shape.WAIT),
            ("step1", Shape.CHOICE),
            ("step2", Shape.ACTION),
            ("step3", Shape.WAIT),
            ("step4", Shape.CHOICE),
            ("step5", Shape.WAIT),
            ("stop1", Shape.END),
            ("stop4", Shape.END),
            ("stop5", Shape.END),
            ("any", Shape.ANY_TIME),
            ("exit0", Shape.EXIT),
            ("goal", Shape.GOAL),
        ] == [(node.id, node.shape) for node in chart.nodes]
        assert [
            ("enter", "step0", ""),
            ("step0", "step0", "changed"),
            ("step0", "step1", "after 2h"),
            ("step1", "step2", "plain 25%"),
            ("step1", "stop1", "none 75%"),
            ("step2", "step3", ""),
            ("step3", "step4", ""),
            ("step4", "step0", "clicked"),
            ("step4", "step5", "opened"),
            ("step4", "stop4", "else"),
            ("step5", "stop5", ""),
            ("any", "exit0", ""),
            ("any", "goal", ""),
        ] == [(edge.source, edge.target, edge.label) for edge in chart.edges]
        assert {"any"} == {edge.source for edge in chart.edges if edge.dotted}

    def test_the_boxes_say_what_they_do(self):
        """
        The entry with its condition and key, exits with what they send, the goal with its time.
        """
        lines = {node.id: node.lines for node in chart_of(CART).nodes}

        assert (
            "cart",
            'when event = "Product Added"',
            "one run per $.properties.cart_id",
        ) == lines["enter"]
        assert ("exit bought", 'when event = "Order Completed"', "send email thanks") == lines[
            "exit0"
        ]
        assert ("goal", 'when event = "Order Completed"', "within 7d") == lines["goal"]

    @pytest.mark.parametrize(
        ("step", "text"),
        [
            (Hold("s", 2 * HOUR, (), 0), "wait for an event, at most 2h"),
            (Delay("s", 36 * HOUR, 0), "wait 1d12h"),
            (Until("s", 0, time=dt.time(9), days=frozenset({3, 0})), "until 09:00 mon, thu (UTC)"),
            (
                Until("s", 0, time=dt.time(9, 5), zone_path=KeyPath("$.profile.timezone", str)),
                "until 09:05 ($.profile.timezone)",
            ),
            (
                Until("s", 0, at=compile_mapping("$.properties.starts_at"), offset_ms=-HOUR),
                "until 1h before properties.starts_at",
            ),
            (Until("s", 0, at=compile_mapping("$.timestamp")), "until timestamp"),
            (Until("s", 0, at=compile_mapping("{{ a }}{{ b }}"), offset_ms=5), None),
            (Split("s", (), 0), "first that holds"),
            (Random("s", (Variant("a", 0, 0),)), "by chance"),
            (Random("s", (Variant("a", 1, 0),), sticky=True), "by chance, the same for a person"),
            (Act("s", Send("hello"), 0), "send email hello"),
            (Act("s", Track("Seen"), 0), "track Seen"),
            (Act("s", Identify(NOTHING), 0), "identify"),
            (Act("s", Suppress("global"), 0), "suppress global"),
            (Act("s", Unsuppress("news"), 0), "unsuppress news"),
            (Act("s", UpsertContact(), 0), "upsert contact"),
            (Act("s", ChangeList("vip", member=True), 0), "add to list vip"),
            (Act("s", ChangeList("vip", member=False), 0), "remove from list vip"),
            (Act("s", ChangeAudience("new", member=True), 0), "add to audience new"),
            (Act("s", ChangeAudience("new", member=False), 0), "remove from audience new"),
        ],
    )
    def test_each_kind_of_step_has_its_words(self, step, text):
        """
        What a step does is said in few words.
        """
        found = step_text(step)

        assert found == (text or "until 0.005s after a moment")

    def test_waiting_people_are_shown_where_they_are_known(self):
        """
        Steps that wait show their number, none too; others only if somebody is there.
        """
        nodes = chart_of(CART, {"wait": 1_234, "reads": 2}).nodes

        assert {
            "step0": "1,234 waiting",
            "step3": "0 waiting",
            "step4": "2 waiting",
            "step5": "0 waiting",
        } == {node.id: node.lines[-1] for node in nodes if node.lines[-1].endswith("waiting")}
        assert not any("waiting" in node.lines[-1] for node in chart_of(CART).nodes)

    def test_a_journey_without_steps_ends_where_it_begins(self):
        """
        Nothing to do is a picture too.
        """
        chart = chart_of(described([]))

        assert [("enter", "stop")] == [(edge.source, edge.target) for edge in chart.edges]

    @given(st.integers(0, 10**12))
    def test_durations_read_as_the_configuration_writes_them(self, ms):
        """
        A duration on the picture means the same in the file.
        """
        text = step_text(Delay("s", ms, 0)).removeprefix("wait ")

        assert round(parse_duration(text) * 1_000) == ms

    @settings(max_examples=40)
    @given(journeys())
    def test_texts_are_short_and_printable(self, journey):
        """
        Whatever things are called, a line is short and has nothing in it that cannot be shown.
        """
        chart = chart_of(journey)

        texts = [line for node in chart.nodes for line in node.lines]
        texts += [edge.label for edge in chart.edges]
        assert all(len(text) <= 56 and (text.isprintable() or not text) for text in texts)
        assert {edge.target for edge in chart.edges} <= {node.id for node in chart.nodes}


# the only lines a flowchart may have: quoted texts hold nothing but what is plain or a code
QUOTED = r'"(?:[^\W_]|[ ,=\-]|#[0-9]+;|<br/>)*"'
MERMAID_LINE = re.compile(
    rf"    (?:[a-z]+[0-9]*(?:\(\[|\(\(|\(|\{{\{{|\[\[|\[){QUOTED}(?:\]\)|\)\)|\)|\}}\}}|\]\]|\])"
    rf"|[a-z]+[0-9]* (?:-->|-\.->)(?:\|{QUOTED}\|)? [a-z]+[0-9]*)"
)


class TestMermaid:
    def test_it_is_a_flowchart(self):
        """
        Each box and each arrow is a line; the loop bears its name, what is at any time is dotted.
        """
        lines = mermaid(CART, {"wait": 7}).splitlines()

        assert "flowchart TD" == lines[0]
        assert '    step0("wait<br/>wait for an event, at most 2h<br/>7 waiting")' in lines
        assert '    step2["remind<br/>send email cart-reminder"]' in lines
        assert '    step0 -->|"changed"| step0' in lines
        assert '    step1 -->|"none 75#37;"| stop1' in lines
        assert '    stop1(("end"))' in lines
        assert "    any -.-> exit0" in lines

    @pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
    def test_texts_stay_texts(self, text):
        """
        Decoded as Mermaid decodes its codes, a name is itself again, and until then harmless.
        """
        (line,) = (
            line
            for line in mermaid(described([Act(text, Send("x"), END)])).splitlines()
            if line.startswith("    step0[")
        )

        name = re.sub(r"#([0-9]+);", lambda code: chr(int(code[1])), line[11:].split("<br/>")[0])
        shown = "".join(char if char.isprintable() else " " for char in text)
        assert " ".join(shown.split()) == name.replace("\u200b", "")
        assert not re.search(r"\$\$|:fa-|\ufb02\xb0|\xb6\xdf", name)
        assert MERMAID_LINE.fullmatch(line)

    @settings(max_examples=40)
    @given(journeys())
    def test_no_text_leaves_its_quotes(self, journey):
        """
        Every line is one of the forms that we write, whatever things are called.
        """
        first, *others = mermaid(journey, {}).removesuffix("\n").split("\n")

        assert "flowchart TD" == first
        assert [] == [line for line in others if not MERMAID_LINE.fullmatch(line)]

    @settings(max_examples=40)
    @given(journeys())
    def test_the_same_journey_has_the_same_chart(self, journey):
        """
        The order is that of the file.
        """
        assert mermaid(journey) == mermaid(journey)
        assert svg(journey) == svg(journey)


class TestSvg:
    def test_it_shows_every_text(self):
        """
        All that the chart says can be read in the picture.
        """
        chart = chart_of(CART, {"wait": 7})

        texts = [text.text for text in drawn(CART, {"wait": 7}).iter(f"{SVG}text")]

        expected = [line for node in chart.nodes for line in node.lines]
        expected += [edge.label for edge in chart.edges if edge.label]
        assert sorted(expected) == sorted(texts)

    def test_it_needs_nothing_from_elsewhere(self):
        """
        No script, no link, no font of its own; both colours of page.
        """
        text = svg(CART)

        assert not re.search(r"<script|href|url\(|@import|@font-face|<image|<use| on\w+=", text)
        assert "prefers-color-scheme:dark" in text
        assert ["http://www.w3.org/2000/svg"] == re.findall(r"https?://[^\"]*", text)

    @settings(max_examples=40)
    @given(journeys())
    def test_it_is_xml_of_a_few_elements(self, journey):
        """
        Nothing that a journey says becomes an element, an attribute or an entity.
        """
        root = drawn(journey, {})

        tags = {element.tag.removeprefix(SVG) for element in root.iter()}
        assert tags <= {"svg", "title", "style", "g", "rect", "polygon", "polyline", "text"}
        assert svg(journey).encode()

    @settings(max_examples=40)
    @given(journeys())
    def test_no_two_boxes_overlap_and_all_are_within(self, journey):
        """
        What is drawn lies beside each other, inside the picture.
        """
        root = drawn(journey)
        x, y, w, h = map(float, root.get("viewBox").split())

        boxes = [outline for outline, _ in groups(root)]

        assert all(
            x <= left and y <= top and right <= x + w and bottom <= y + h
            for left, top, right, bottom in boxes
        )
        assert not any(
            one[0] < two[2] and two[0] < one[2] and one[1] < two[3] and two[1] < one[3]
            for one, two in combinations(boxes, 2)
        )

    @settings(max_examples=40)
    @given(journeys())
    def test_no_text_of_a_box_is_cut(self, journey):
        """
        At the widths of DejaVu Sans, the widest of the fonts, every line fits into its box.
        """
        for (left, top, right, bottom), texts in groups(drawn(journey, {})):
            for text in texts:
                reach = dejavu_width(text.text or "", bold="font-weight" in text.attrib) / 2
                assert left <= float(text.get("x")) - reach
                assert float(text.get("x")) + reach <= right
                assert top < float(text.get("y")) - 9
                assert float(text.get("y")) + 3 < bottom

    def test_a_great_journey_is_drawn(self):
        """
        A thousand steps that lead everywhere are a picture of a few megabytes.
        """
        steps = [
            Split(f"s{n}", (Branch("on", ALL, min(n + 9, 999)), Branch("back", ALL, n // 2)), END)
            for n in range(1_000)
        ]

        assert len(svg(described(steps))) < 5_000_000


def dejavu_width(text, *, bold):
    """
    Return the width of *text* at 13 px, of the letters whose width was read from the font.

    Source: the advance widths of DejaVuSans.ttf and DejaVuSans-Bold.ttf (2,048 units an em).
    """
    letters = 'amW@%0- ilMO<#"_'
    units = (
        (1382, 2134, 2259, 2048, 2052, 1425, 850, 713, 702, 702, 2038, 1741, 1716, 1716, 1067, 1024)
        if bold
        else (
            1255,
            1995,
            2025,
            2048,
            1946,
            1303,
            739,
            651,
            569,
            569,
            1767,
            1612,
            1716,
            1716,
            942,
            1024,
        )
    )
    widths = dict(zip(letters, units, strict=True))
    return sum(widths.get(char, 0) for char in text) / 2_048 * 13
