"""
Where the boxes and arrows of a flowchart go: layers from top to bottom, nothing over anything.

Every box has a layer, one below all that lead to it; every arrow's label has a place of its own in
a row between the layers, and an arrow that passes a layer has a narrow place there. Arrows that
lead back up, and those that skip many layers, run at the right-hand side; one that leads from a
box to itself is a loop at its side. What no arrow joins stands below each other.

Pure geometry, in pixels from the top left corner; what is drawn is `graph`'s affair.

Source: the layers are those of Sugiyama et al. 1981, IEEE SMC 11:109.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Final, TypeAlias

Point: TypeAlias = tuple[float, float]

_APART: Final = 20.0  # between neighbours of a row
_ROW_GAP: Final = 24.0  # between rows
_STUB: Final = 10.0  # how far an arrow comes straight down upon its box
_TRACK: Final = 8.0  # between arrows that run side by side in a gap
_THREAD: Final = 10.0  # the place of an arrow that passes a layer
_LOOP: Final = 14.0  # how far a loop stands out
_LOOP_HEIGHT: Final = 24.0
_LABEL_GAP: Final = 6.0
_FAR: Final = 6  # an arrow over more layers would need too many places


@dataclass(frozen=True, slots=True)
class Box:
    """A box to place, by its size."""

    id: str
    w: float
    h: float


@dataclass(frozen=True, slots=True)
class Link:
    """An arrow to draw from the box *source* to the box *target*; without a label its size is 0."""

    source: str
    target: str
    label_w: float = 0.0
    label_h: float = 0.0


@dataclass(frozen=True, slots=True)
class Place:
    """A rectangle, by its top left corner."""

    x: float
    y: float
    w: float
    h: float

    def moved(self, by: float) -> Place:
        """Return the same, so much further down."""
        return replace(self, y=self.y + by)


@dataclass(frozen=True, slots=True)
class Route:
    """The way of one arrow: lines of points, the last of which ends at the target; its label."""

    lines: tuple[tuple[Point, ...], ...]
    label: Place | None

    def moved(self, by: float) -> Route:
        """Return the same, so much further down."""
        lines = tuple(tuple((x, y + by) for x, y in line) for line in self.lines)
        return Route(lines, None if self.label is None else self.label.moved(by))


@dataclass(frozen=True, slots=True)
class Layout:
    """The whole: its size, each box's place by id, and one route a link, in their order."""

    w: float
    h: float
    places: Mapping[str, Place]
    routes: tuple[Route, ...]


@dataclass(slots=True)
class _Cell:
    """A place in a row: of a box, of a label, or of an arrow that passes; *x* is its centre."""

    row: int
    w: float
    h: float
    above: list[int] = field(default_factory=list)  # the cells that lead to it
    x: float = 0.0
    labels: bool = False


def arrange(boxes: Sequence[Box], links: Sequence[Link]) -> Layout:
    """
    Place *boxes*, whose ids differ, and the *links* between them.

    The same input gives the same layout; what comes first is placed further left. A box with loops
    may be made higher than it asked to be.
    """
    places: dict[str, Place] = {}
    routes: dict[int, Route] = {}
    w = h = 0.0
    for members, numbers in _components(boxes, links):
        top = h + 2 * _APART if places else 0.0
        part = _Component(members, [links[number] for number in numbers]).layout()
        places |= {name: place.moved(top) for name, place in part.places.items()}
        for number, route in zip(numbers, part.routes, strict=True):
            routes[number] = route.moved(top)
        w, h = max(w, part.w), top + part.h
    return Layout(w, h, places, tuple(routes[number] for number in range(len(links))))


def _components(
    boxes: Sequence[Box], links: Sequence[Link]
) -> Iterable[tuple[list[Box], list[int]]]:
    """Part boxes and numbers of links by what is joined, in the order of the boxes."""
    neighbours: dict[str, list[str]] = defaultdict(list)
    for link in links:
        neighbours[link.source].append(link.target)
        neighbours[link.target].append(link.source)
    part_of: dict[str, str] = {}
    for box in boxes:
        open_ends = [box.id]
        while open_ends:
            name = open_ends.pop()
            if name not in part_of:
                part_of[name] = box.id
                open_ends += neighbours[name]
    members: dict[str, tuple[list[Box], list[int]]] = defaultdict(lambda: ([], []))
    for box in boxes:
        members[part_of[box.id]][0].append(box)
    for number, link in enumerate(links):
        members[part_of[link.source]][1].append(number)
    return members.values()


class _Component:
    """One joined part of the chart, laid out."""

    def __init__(self, boxes: Sequence[Box], links: Sequence[Link]) -> None:
        self._boxes = boxes
        self._links = links
        self._number = {box.id: number for number, box in enumerate(boxes)}
        self._ends = [(self._number[one.source], self._number[one.target]) for one in links]
        self._layers, backward = _layers_of(len(boxes), self._ends)
        self._loops = [n for n, (source, target) in enumerate(self._ends) if source == target]
        self._lanes = [n for n in range(len(links)) if n in backward or self._span(n) > _FAR]
        self._cells = self._box_cells()
        self._chains = {
            number: self._chain(number)
            for number in range(len(links))
            if number not in {*self._loops, *self._lanes}
        }
        self._set_columns()
        self._tops, self._bottoms, self._h = self._set_rows()

    def layout(self) -> Layout:
        places = {box.id: self._place(number) for number, box in enumerate(self._boxes)}
        lanes, width = self._lane_routes()
        routes = {number: self._chain_route(number) for number in self._chains}
        routes |= lanes | self._loop_routes()
        ordered = tuple(routes[number] for number in range(len(self._links)))
        return Layout(width, self._h, places, ordered)

    def _span(self, number: int) -> int:
        source, target = self._ends[number]
        return self._layers[target] - self._layers[source]

    def _box_cells(self) -> list[_Cell]:
        cells = [
            _Cell(2 * self._layers[number], box.w, box.h) for number, box in enumerate(self._boxes)
        ]
        loops: dict[int, list[Link]] = defaultdict(list)
        for number in self._loops:
            loops[self._ends[number][0]].append(self._links[number])
        for source, links in loops.items():
            room = _LOOP + 2 * _LABEL_GAP + max(link.label_w for link in links)
            height = max(_LOOP_HEIGHT, *(link.label_h for link in links))
            # as much room on the other side keeps the box in the middle
            cells[source].w += 2 * room
            cells[source].h = max(cells[source].h, len(links) * height)
        return cells

    def _chain(self, number: int) -> list[int]:
        """Give an arrow its places in the rows between its ends."""
        link, (source, target) = self._links[number], self._ends[number]
        chain: list[int] = []
        above = source
        for row in range(2 * self._layers[source] + 1, 2 * self._layers[target]):
            labels = not chain and link.label_w > 0
            cell = _Cell(row, link.label_w if labels else _THREAD, link.label_h if labels else 0.0)
            cell.labels = labels
            cell.above.append(above)
            above = len(self._cells)
            self._cells.append(cell)
            chain.append(above)
        self._cells[target].above.append(above)
        return chain

    def _set_columns(self) -> None:
        """Put every cell as nearly as can be below what leads to it."""
        rows: dict[int, list[int]] = defaultdict(list)
        for number, cell in enumerate(self._cells):
            rows[cell.row].append(number)
        for row in sorted(rows):
            wanted = {number: self._wanted(self._cells[number]) for number in rows[row]}
            ordered = sorted(rows[row], key=lambda number: (wanted[number], number))
            cells = [self._cells[number] for number in ordered]
            centres = _spread([wanted[number] for number in ordered], [cell.w for cell in cells])
            for cell, centre in zip(cells, centres, strict=True):
                cell.x = centre
        left = min(cell.x - cell.w / 2 for cell in self._cells)
        for cell in self._cells:
            cell.x -= left

    def _wanted(self, cell: _Cell) -> float:
        above = [self._cells[number].x for number in cell.above]
        return sum(above) / len(above) if above else 0.0

    def _set_rows(self) -> tuple[list[float], list[float], float]:
        """Return where each row begins and ends, and where all of it ends."""
        heights: dict[int, float] = defaultdict(float)
        for cell in self._cells:
            heights[cell.row] = max(heights[cell.row], cell.h)
        for number in self._lanes:
            row = self._label_row(number)
            heights[row] = max(heights[row], self._links[number].label_h)
        leaving = Counter(self._cells[self._ends[number][0]].row for number in self._lanes)
        arriving = Counter(self._cells[self._ends[number][1]].row for number in self._lanes)
        tops, bottoms, y = [], [], 0.0
        for row in range(max(heights) + 1):
            y += arriving[row] * _TRACK + (_ROW_GAP if row or arriving[row] else 0.0)
            tops.append(y)
            y += heights[row]
            bottoms.append(y)
            y += (leaving[row] + 1) * _TRACK if leaving[row] else 0.0
        return tops, bottoms, y

    def _place(self, number: int) -> Place:
        cell, w = self._cells[number], self._boxes[number].w
        middle = (self._tops[cell.row] + self._bottoms[cell.row]) / 2
        return Place(cell.x - w / 2, middle - cell.h / 2, w, cell.h)

    def _chain_route(self, number: int) -> Route:
        source, target = self._ends[number]
        start, goal = self._place(source), self._place(target)
        x = self._cells[source].x
        # straight down to the end of the row: a neighbour may be higher
        line = [(x, start.y + start.h), (x, self._bottoms[self._cells[source].row])]
        lines, label = [line], None
        for cell in (self._cells[one] for one in self._chains[number]):
            top, bottom = self._tops[cell.row], self._bottoms[cell.row]
            lines[-1].append((cell.x, top))
            if cell.labels:
                label = Place(cell.x - cell.w / 2, (top + bottom - cell.h) / 2, cell.w, cell.h)
                lines.append([])
            lines[-1].append((cell.x, bottom))
        x = self._cells[target].x
        lines[-1] += [(x, self._tops[self._cells[target].row] - _STUB), (x, goal.y)]
        return Route(tuple(map(_without_repeats, lines)), label)

    def _lane_routes(self) -> tuple[dict[int, Route], float]:
        """Lead arrows around at the right, each in a lane of its own; and where the last ends."""
        right = max(cell.x + cell.w / 2 for cell in self._cells)
        leaving: Counter[int] = Counter()
        arriving: Counter[int] = Counter()
        routes = {}
        for number in self._lanes:
            link, (source, target) = self._links[number], self._ends[number]
            start, goal = self._place(source), self._place(target)
            below, above = self._cells[source].row, self._cells[target].row
            leaving[below] += 1
            arriving[above] += 1
            lane = right + _APART
            # beside the middle, where the other arrows are
            out, home = start.x + start.w * 0.75, goal.x + goal.w * 0.75
            low = self._bottoms[below] + leaving[below] * _TRACK
            high = self._tops[above] - arriving[above] * _TRACK
            line = [(out, start.y + start.h), (out, low), (lane, low), (lane, high), (home, high)]
            passed = self._label_row(number)
            middle = (self._tops[passed] + self._bottoms[passed]) / 2
            routes[number] = Route(
                (_without_repeats([*line, (home, goal.y)]),), _label(link, lane, middle)
            )
            right = lane + (_LABEL_GAP + link.label_w if link.label_w else 0.0)
        return routes, right

    def _label_row(self, number: int) -> int:
        """Return a row of boxes that a lane passes: no other lane turns there."""
        below, above = (self._cells[one].row for one in self._ends[number])
        return below if above <= below else below + 2

    def _loop_routes(self) -> dict[int, Route]:
        taken: Counter[int] = Counter()
        total = Counter(self._ends[number][0] for number in self._loops)
        routes = {}
        for number in self._loops:
            link, source = self._links[number], self._ends[number][0]
            place = self._place(source)
            middle = place.y + place.h * (taken[source] + 0.5) / total[source]
            taken[source] += 1
            edge, far, reach = place.x + place.w, place.x + place.w + _LOOP, _LOOP_HEIGHT / 4
            low, high = middle + reach, middle - reach
            line = ((edge, low), (far, low), (far, high), (edge, high))
            routes[number] = Route((line,), _label(link, far, middle))
        return routes


def _layers_of(count: int, ends: Sequence[tuple[int, int]]) -> tuple[list[int], set[int]]:
    """Return each box's layer, by the longest way to it, and the links that lead back."""
    backward, order = _depth_first(count, ends)
    ways: dict[int, list[int]] = defaultdict(list)
    for number, (source, target) in enumerate(ends):
        if source != target and number not in backward:
            ways[source].append(target)
    layers = [0] * count
    for source in order:
        for target in ways[source]:
            layers[target] = max(layers[target], layers[source] + 1)
    return layers, backward


def _depth_first(count: int, ends: Sequence[tuple[int, int]]) -> tuple[set[int], list[int]]:
    """Return the links that close a circle, and the boxes so that all others lead onwards."""
    leaving: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for number, (source, target) in enumerate(ends):
        if source != target:
            leaving[source].append((number, target))
    rest = [iter(leaving[box]) for box in range(count)]
    backward: set[int] = set()
    finished: list[int] = []
    seen: set[int] = set()
    open_now: set[int] = set()
    for root in range(count):
        # not by recursion: a chart may be deeper than Python's stack
        path = [] if root in seen else [root]
        while path:
            box = path[-1]
            seen.add(box)
            open_now.add(box)
            step = next(rest[box], None)
            if step is None:
                finished.append(path.pop())
                open_now.discard(box)
            elif step[1] in open_now:
                backward.add(step[0])
            elif step[1] not in seen:
                path.append(step[1])
    return backward, finished[::-1]


def _spread(wanted: Sequence[float], widths: Sequence[float]) -> list[float]:
    """
    Return centres nearest to the *wanted* ones (least squares) at which nothing overlaps.

    Neighbours that would are joined and moved together: the pool-adjacent-violators algorithm.
    """
    offsets = [0.0]
    for one, other in pairwise(widths):
        offsets.append(offsets[-1] + (one + other) / 2 + _APART)
    pools: list[tuple[float, int]] = []  # mean, and of how many
    for want, offset in zip(wanted, offsets, strict=True):
        mean, size = want - offset, 1
        while pools and pools[-1][0] > mean:
            before, many = pools.pop()
            mean, size = (before * many + mean * size) / (many + size), many + size
        pools.append((mean, size))
    starts = [mean for mean, size in pools for _ in range(size)]
    return [start + offset for start, offset in zip(starts, offsets, strict=True)]


def _label(link: Link, lane: float, middle: float) -> Place | None:
    if not link.label_w:
        return None
    return Place(lane + _LABEL_GAP, middle - link.label_h / 2, link.label_w, link.label_h)


def _without_repeats(line: Iterable[Point]) -> tuple[Point, ...]:
    points = list(line)
    return tuple(points[:1] + [two for one, two in pairwise(points) if one != two])
