"""
A journey as a picture: Mermaid for documents, SVG for pages; both of the same chart.

A chart has a box for the entry, one a step, an end below each step that can end, and beside them
what can happen at any time: the exits and the goal. All texts are the operator's or a vendor's:
each format escapes everything that means something to it.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from html import escape
from typing import Final

from homing.core import plans
from homing.core.journeys.layout import Box, Link, Place, Point, Route, arrange
from homing.core.journeys.program import (
    DAY_MS,
    END,
    RESTART,
    Act,
    Delay,
    Hold,
    Journey,
    Random,
    Split,
    Step,
    Until,
)

_LONGEST: Final = 56  # characters of a line in a box
_LONGEST_LABEL: Final = 24
_UNITS_MS: Final = {"d": DAY_MS, "h": 3_600_000, "m": 60_000}
_WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

_MARGIN: Final = 16
_PADDING: Final = 12.0
_LINE: Final = 17.0
_SIZE: Final = 13.0
_BOLD: Final = 1.15  # how much wider bold letters are
_INK: Final = 'fill="none" stroke="currentColor"'
_FILLED: Final = 'fill="currentColor"'
_DOTTED: Final = 'stroke-dasharray="2 4"'
_FONT: Final = (
    f"font-family=\"system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif\" "
    f'font-size="{_SIZE:g}" text-anchor="middle"'
)
# attributes draw in the page's own colours; where style is allowed, the picture brings its own
_STYLE: Final = (
    "<style>.journey-graph{color:#1c1e21;color-scheme:light dark}"
    ".journey-graph .paper{fill:#fff}"
    "@media(prefers-color-scheme:dark){.journey-graph{color:#e4e6eb}"
    ".journey-graph .paper{fill:#18191a}}</style>"
)


class Shape(StrEnum):
    """What a box stands for, by which its outline is chosen."""

    ENTRY = "entry"
    WAIT = "wait"
    CHOICE = "choice"
    ACTION = "action"
    END = "end"
    ANY_TIME = "any-time"
    EXIT = "exit"
    GOAL = "goal"


@dataclass(frozen=True, slots=True)
class Node:
    """A box, and its lines of text, short and printable; the first of them names it."""

    id: str
    shape: Shape
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Edge:
    """An arrow between nodes, by their ids; *dotted*: it can be taken at any time."""

    source: str
    target: str
    label: str = ""
    dotted: bool = False


@dataclass(frozen=True, slots=True)
class Chart:
    """What there is to draw, in the order of the file."""

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]


# a hyphen within a word is one; elsewhere it can be a list or an arrow
_NOT_PLAIN: Final = re.compile(r"(?!(?<=\w)-(?=\w))[^\w ,=]|_")
# what Mermaid looks for in texts that it has decoded: formulas, icons, its own marks of codes
_READ_LATER: Final = re.compile(r"\$(?=\$)|:(?=fa)|\ufb02(?=\xb0)|\xb6(?=\xdf)")
_RADII: Final = {Shape.ENTRY: 18, Shape.ANY_TIME: 18, Shape.END: 18, Shape.WAIT: 9}
_BRACKETS: Final = {
    Shape.ENTRY: ("([", "])"),
    Shape.WAIT: ("(", ")"),
    Shape.CHOICE: ("{{", "}}"),
    Shape.ACTION: ("[", "]"),
    Shape.END: ("((", "))"),
    Shape.ANY_TIME: ("([", "])"),
    Shape.EXIT: ("[", "]"),
    Shape.GOAL: ("[[", "]]"),
}


def chart_of(journey: Journey, counts: Mapping[str, int] | None = None) -> Chart:
    """
    List what a picture of *journey* shows.

    Args:
        journey: Its targets are steps that it has.

        counts: How many people wait at each step, by its id, and under "" how many ever entered;
            None: not known.
    """
    nodes = [_node("enter", Shape.ENTRY, _entry_lines(journey, counts))]
    edges = [Edge("enter", "step0" if journey.steps else "stop")]
    for number, step in enumerate(journey.steps):
        nodes.append(_node(f"step{number}", _shape_of(step), _step_lines(step, counts)))
        edges += _edges_of(number, step)
    stops = dict.fromkeys(edge.target for edge in edges if edge.target.startswith("stop"))
    nodes += [_node(name, Shape.END, ["end"]) for name in stops]
    aside = tuple(_aside(journey))
    if aside:
        nodes += [_node("any", Shape.ANY_TIME, ["any time"]), *aside]
        edges += [Edge("any", node.id, dotted=True) for node in aside]
    return Chart(tuple(nodes), tuple(edges))


def mermaid(journey: Journey, counts: Mapping[str, int] | None = None) -> str:
    """
    Write *journey* as a Mermaid flowchart, from top to bottom.

    *counts*: see `chart_of`. Ends with a line feed.
    """
    chart = chart_of(journey, counts)
    lines = ["flowchart TD"]
    for node in chart.nodes:
        before, after = _BRACKETS[node.shape]
        text = "<br/>".join(_mermaid_text(line) for line in node.lines)
        lines.append(f'    {node.id}{before}"{text}"{after}')
    for edge in chart.edges:
        arrow = "-.->" if edge.dotted else "-->"
        label = f'|"{_mermaid_text(edge.label)}"|' if edge.label else ""
        lines.append(f"    {edge.source} {arrow}{label} {edge.target}")
    return "\n".join(lines) + "\n"


def svg(journey: Journey, counts: Mapping[str, int] | None = None) -> str:
    """
    Draw *journey* as an SVG that needs nothing else: no script, no font, no style sheet.

    It has the colours of the text around it, and of itself those of a light or a dark page.
    *counts*: see `chart_of`.
    """
    chart = chart_of(journey, counts)
    layout = arrange(
        [Box(node.id, *_size_of(node)) for node in chart.nodes],
        [Link(edge.source, edge.target, *_label_size(edge.label)) for edge in chart.edges],
    )
    w, h = round(layout.w + 2 * _MARGIN), round(layout.h + 2 * _MARGIN)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="journey-graph" role="img" '
        f'width="{w}" height="{h}" viewBox="{-_MARGIN} {-_MARGIN} {w} {h}" {_FONT}>',
        f"<title>Journey {escape(_plain(journey.name))}</title>{_STYLE}",
        f'<rect class="paper" fill="none" x="{-_MARGIN}" y="{-_MARGIN}" width="{w}" height="{h}"/>',
    ]
    parts += [_drawn_node(node, layout.places[node.id]) for node in chart.nodes]
    drawn = zip(chart.edges, layout.routes, strict=True)
    parts += [_drawn_edge(edge, route) for edge, route in drawn]
    return "\n".join([*parts, "</svg>"]) + "\n"


# what a journey says


def _node(name: str, shape: Shape, lines: Iterable[str]) -> Node:
    return Node(name, shape, tuple(_plain(line) for line in lines))


def _entry_lines(journey: Journey, counts: Mapping[str, int] | None) -> Iterator[str]:
    yield journey.name
    yield f"when {journey.entry.when.text}"
    if journey.entry.key is not None:
        yield f"one run per {journey.entry.key.text}"
    if counts is not None and "" in counts:
        yield f"{counts['']:,} entered"


def _shape_of(step: Step) -> Shape:
    match step:
        case Hold() | Delay() | Until():
            return Shape.WAIT
        case Split() | Random():
            return Shape.CHOICE
        case Act():
            return Shape.ACTION


def _step_lines(step: Step, counts: Mapping[str, int] | None) -> Iterator[str]:
    yield step.id
    match step:
        case Hold():
            yield f"wait for an event, at most {_duration(step.for_ms)}"
        case Delay():
            yield f"wait {_duration(step.for_ms)}"
        case Until():
            yield _until_text(step)
        case Split():
            yield "first that holds"
        case Random():
            yield "by chance, the same for a person" if step.sticky else "by chance"
        case Act():
            yield _action_text(step.action)
    waiting = (counts or {}).get(step.id, 0)
    if waiting or (counts is not None and _shape_of(step) is Shape.WAIT):
        yield f"{waiting:,} waiting"


def _until_text(step: Until) -> str:
    if step.time is not None:
        days = ", ".join(_WEEKDAYS[day] for day in sorted(step.days))
        zone = step.zone if step.zone_path is None else step.zone_path.text
        return " ".join(filter(None, ("until", f"{step.time:%H:%M}", days, f"({zone})")))
    paths = sorted(step.at.paths) if step.at is not None else []
    moment = paths[0] if len(paths) == 1 and paths[0] else "a moment"
    if not step.offset_ms:
        return f"until {moment}"
    side = "before" if step.offset_ms < 0 else "after"
    return f"until {_duration(abs(step.offset_ms))} {side} {moment}"


def _action_text(action: plans.Action) -> str:  # noqa: C901, PLR0911 - one line an action
    match action:
        case plans.Send(email):
            return f"send email {email}"
        case plans.Track(event):
            return f"track {event}"
        case plans.Identify():
            return "identify"
        case plans.Suppress(scope):
            return f"suppress {scope}"
        case plans.Unsuppress(scope):
            return f"unsuppress {scope}"
        case plans.UpsertContact():
            return "upsert contact"
        case plans.ChangeList(name, member):
            return f"add to list {name}" if member else f"remove from list {name}"
        case plans.ChangeAudience(name, member):
            return f"add to audience {name}" if member else f"remove from audience {name}"


def _edges_of(number: int, step: Step) -> Iterator[Edge]:
    source = f"step{number}"

    def edge(target: int, label: str = "") -> Edge:
        names = {END: f"stop{number}", RESTART: source}
        return Edge(source, names.get(target, f"step{target}"), label)

    match step:
        case Hold():
            yield from (edge(one.then, _label(one.name)) for one in step.on)
            yield edge(step.timeout, f"after {_duration(step.for_ms)}")
        case Split():
            yield from (edge(one.then, _label(one.name)) for one in step.branches)
            yield edge(step.otherwise, "else")
        case Random():
            # a total of 0 has no shares; the check of weights is the configuration's
            total = sum(one.weight for one in step.variants) or 1.0
            for one in step.variants:
                yield edge(one.then, f"{_label(one.name)} {one.weight / total:.0%}")
        case Delay() | Until() | Act():
            yield edge(step.next)


def _aside(journey: Journey) -> Iterator[Node]:
    for number, one in enumerate(journey.exits):
        does = [_action_text(action) for action in (one.send, one.track) if action is not None]
        lines = (f"exit {one.name}", f"when {one.when.text}", *does)
        yield _node(f"exit{number}", Shape.EXIT, lines)
    if journey.goal is not None:
        within = f"within {_duration(journey.goal.within_ms)}"
        yield _node("goal", Shape.GOAL, ("goal", f"when {journey.goal.when.text}", within))


def _duration(ms: int) -> str:
    """Write so many ms as the configuration does: ``1d12h``, ``90s`` as ``1m30s``."""
    text = ""
    for unit, length in _UNITS_MS.items():
        amount, ms = divmod(ms, length)
        text += f"{amount}{unit}" if amount else ""
    if ms or not text:
        text += f"{ms / 1_000:g}s"
    return text


def _label(name: str) -> str:
    return _plain(name, _LONGEST_LABEL)


def _plain(text: str, longest: int = _LONGEST) -> str:
    """Return *text* on one line, of what can be printed, and not too long."""
    shown = "".join(char if char.isprintable() else " " for char in text)
    words = " ".join(shown.split())
    return words if len(words) <= longest else f"{words[: longest - 1]}…"


# Mermaid


def _mermaid_text(text: str) -> str:
    """
    Write *text* for a place within quotes: as ``#34;`` what could mean something there.

    Within quotes too Mermaid reads Markdown, HTML, icons, formulas and directives.

    Source: Mermaid docs, "Flowcharts", Entity codes to escape characters.
    """
    broken = _READ_LATER.sub("\\g<0>\u200b", text)
    return _NOT_PLAIN.sub(lambda found: f"#{ord(found[0])};", broken)


# SVG


def _size_of(node: Node) -> tuple[float, float]:
    first, *others = node.lines
    w = max(_text_width(first) * _BOLD, *map(_text_width, others), _LINE)
    side = 2 * _PADDING if node.shape is Shape.CHOICE else _PADDING
    return w + 2 * side, len(node.lines) * _LINE + _PADDING


def _label_size(text: str) -> tuple[float, float]:
    return (_text_width(text) + _PADDING / 2, _LINE) if text else (0.0, 0.0)


def _text_width(text: str) -> float:
    """
    Return how many pixels *text* takes at most, in any of the fonts.

    The widths are those of DejaVu Sans, the widest of them.
    """
    return sum(_char_width(char) for char in text) * _SIZE


def _char_width(char: str) -> float:
    """Return the width in parts of the size of the font."""
    if char in "ijlI.,:;'| -":
        return 0.4
    if unicodedata.east_asian_width(char) in "WF":
        return 1.35
    if not char.isascii():
        return 1.1
    if char in "mwMW@%":
        return 1.0
    return 0.85 if char.isupper() or not char.isalnum() else 0.65


def _drawn_node(node: Node, place: Place) -> str:
    x, middle = place.x + place.w / 2, place.y + place.h / 2
    top = middle - (len(node.lines) - 1) / 2 * _LINE
    texts = (
        _drawn_text(line, (x, top + number * _LINE), more="" if number else ' font-weight="600"')
        for number, line in enumerate(node.lines)
    )
    return f'<g class="{node.shape}">{_outline(node.shape, place)}{"".join(texts)}</g>'


def _outline(shape: Shape, place: Place) -> str:
    if shape is Shape.CHOICE:
        return f'<polygon points="{_points(_hexagon(place))}" {_INK}/>'
    drawn = _rectangle(place, _RADII.get(shape, 2), dotted=shape is Shape.EXIT)
    if shape is Shape.GOAL:
        drawn += _rectangle(Place(place.x + 3, place.y + 3, place.w - 6, place.h - 6), 1)
    return drawn


def _hexagon(place: Place) -> tuple[Point, ...]:
    x, y, right, bottom = place.x, place.y, place.x + place.w, place.y + place.h
    middle, inner, outer = y + place.h / 2, x + _PADDING, right - _PADDING
    return (x, middle), (inner, y), (outer, y), (right, middle), (outer, bottom), (inner, bottom)


def _rectangle(place: Place, radius: float, *, dotted: bool = False) -> str:
    more = f" {_DOTTED}" if dotted else ""
    size = f'width="{place.w:.1f}" height="{place.h:.1f}" rx="{radius:g}"'
    return f'<rect x="{place.x:.1f}" y="{place.y:.1f}" {size} {_INK}{more}/>'


def _drawn_edge(edge: Edge, route: Route) -> str:
    dotted = f" {_DOTTED}" if edge.dotted else ""
    drawn = [f'<polyline points="{_points(line)}" {_INK}{dotted}/>' for line in route.lines]
    drawn.append(f'<polygon points="{_points(_head(*route.lines[-1][-2:]))}" {_FILLED}/>')
    if route.label is not None:
        drawn.append(_drawn_label(edge.label, route.label, beside=len(route.lines) == 1))
    return f'<g class="edge">{"".join(drawn)}</g>'


def _drawn_label(text: str, place: Place, *, beside: bool) -> str:
    """Draw a label in the middle of its place, where its line is broken, or beside its line."""
    y = place.y + place.h / 2
    if beside:
        return _drawn_text(text, (place.x, y), more=' text-anchor="start"')
    return _drawn_text(text, (place.x + place.w / 2, y))


def _head(before: Point, end: Point) -> tuple[Point, ...]:
    """Return the corners of an arrowhead that points from *before* to *end*."""
    x, y = end[0] - before[0], end[1] - before[1]
    length = math.hypot(x, y) or 1.0
    x, y = x / length, y / length
    back = (end[0] - 8 * x, end[1] - 8 * y)
    return end, (back[0] - 3.5 * y, back[1] + 3.5 * x), (back[0] + 3.5 * y, back[1] - 3.5 * x)


def _drawn_text(text: str, at: Point, *, more: str = "") -> str:
    # from the middle of the line to its base
    base = at[1] + 0.36 * _SIZE
    return f'<text x="{at[0]:.1f}" y="{base:.1f}" {_FILLED}{more}>{escape(text)}</text>'


def _points(line: Iterable[Point]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in line)
