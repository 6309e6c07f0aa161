"""Layout: nothing lies over anything, every arrow arrives, whatever leads where."""

from __future__ import annotations

from itertools import combinations, pairwise

from hypothesis import given
from hypothesis import strategies as st

from homing.core.journeys.layout import Box, Layout, Link, arrange

SLACK = 1e-6  # of floats
SIZES = st.floats(1, 300)


@st.composite
def charts(draw):
    """Boxes of any size, and arrows between any of them, some with labels."""
    count = draw(st.integers(1, 9))
    names = st.integers(0, count - 1).map(str)
    boxes = [Box(str(number), draw(SIZES), draw(SIZES)) for number in range(count)]
    labels = st.just((0.0, 0.0)) | st.tuples(SIZES, st.floats(1, 40))
    links = [
        Link(source, target, *size)
        for source, target, size in draw(st.lists(st.tuples(names, names, labels), max_size=16))
    ]
    return boxes, links


def chain(count):
    """A chart in which each box leads to the next."""
    boxes = [Box(str(number), 100, 40) for number in range(count)]
    return boxes, [Link(one.id, other.id) for one, other in pairwise(boxes)]


def overlap(one, other):
    return (
        one.x < other.x + other.w - SLACK
        and other.x < one.x + one.w - SLACK
        and one.y < other.y + other.h - SLACK
        and other.y < one.y + one.h - SLACK
    )


def crosses(start, end, place):
    """Tell whether the line from *start* to *end* runs through the inside of *place*."""
    low, high = 0.0, 1.0
    sides = (
        (start[0], end[0], place.x + SLACK, place.x + place.w - SLACK),
        (start[1], end[1], place.y + SLACK, place.y + place.h - SLACK),
    )
    for begin, finish, least, most in sides:
        if begin == finish:
            if not least < begin < most:
                return False
            continue
        enters, leaves = sorted(
            ((least - begin) / (finish - begin), (most - begin) / (finish - begin))
        )
        low, high = max(low, enters), min(high, leaves)
    return low < high


def touches(point, place):
    inside_x = place.x - SLACK <= point[0] <= place.x + place.w + SLACK
    inside_y = place.y - SLACK <= point[1] <= place.y + place.h + SLACK
    return inside_x and inside_y


class TestArrange:
    def test_nothing_needs_no_room(self):
        """
        A chart without boxes is empty.
        """
        assert Layout(0, 0, {}, ()) == arrange([], [])

    def test_what_follows_is_below(self):
        """
        Of two ways to a box the longer decides how far down it is.
        """
        boxes = [Box(name, 50, 20) for name in "abcd"]
        links = [Link("a", "b"), Link("b", "c"), Link("a", "c"), Link("c", "d"), Link("d", "b")]

        places = arrange(boxes, links).places

        tops = [places[name].y for name in "abcd"]
        assert sorted(tops) == tops
        assert 4 == len(set(tops))

    def test_what_comes_first_is_further_left(self):
        """
        The branches of a split stand in the order of the file, around the middle of it.
        """
        boxes = [Box("split", 80, 20), *(Box(name, 60, 20) for name in "abc")]
        links = [Link("split", name, 30, 15) for name in "abc"]

        places = arrange(boxes, links).places

        assert places["a"].x < places["b"].x < places["c"].x
        assert places["b"].x + 30 == places["split"].x + 40

    @given(charts())
    def test_no_two_boxes_or_labels_overlap(self, chart):
        """
        Each box and each label has a place of its own.
        """
        layout = arrange(*chart)

        labels = [route.label for route in layout.routes if route.label is not None]
        places = [*layout.places.values(), *labels]
        assert [] == [pair for pair in combinations(places, 2) if overlap(*pair)]

    @given(charts())
    def test_no_arrow_runs_through_a_box_or_a_label(self, chart):
        """
        Arrows go around what they do not lead to, and around labels.
        """
        layout = arrange(*chart)

        places = [*layout.places.values()]
        places += [route.label for route in layout.routes if route.label is not None]
        lines = [line for route in layout.routes for line in route.lines]
        assert [] == [
            (line, place)
            for line in lines
            for part in pairwise(line)
            for place in places
            if crosses(*part, place)
        ]

    @given(charts())
    def test_every_arrow_leads_from_its_source_to_its_target(self, chart):
        """
        The first point is at the one box, the last at the other, and every line has a length.
        """
        boxes, links = chart
        layout = arrange(boxes, links)

        for link, route in zip(links, layout.routes, strict=True):
            assert touches(route.lines[0][0], layout.places[link.source])
            assert touches(route.lines[-1][-1], layout.places[link.target])
            assert all(len(line) >= 2 for line in route.lines)
            assert (route.label is not None) == (link.label_w > 0)

    @given(charts())
    def test_all_of_it_lies_within(self, chart):
        """
        Nothing lies outside the size, and no box is smaller than it asked to be.
        """
        boxes, links = chart
        layout = arrange(boxes, links)

        places = [*layout.places.values()]
        places += [route.label for route in layout.routes if route.label is not None]
        points = [point for route in layout.routes for line in route.lines for point in line]
        points += [(place.x, place.y) for place in places]
        points += [(place.x + place.w, place.y + place.h) for place in places]
        assert all(-SLACK <= x <= layout.w + SLACK for x, _ in points)
        assert all(-SLACK <= y <= layout.h + SLACK for _, y in points)
        for box in boxes:
            place = layout.places[box.id]
            assert (box.id, box.w) == (box.id, place.w)
            assert box.h <= place.h

    @given(charts())
    def test_the_same_chart_has_the_same_layout(self, chart):
        """
        Nothing depends on anything but the input.
        """
        assert arrange(*chart) == arrange(*chart)

    def test_a_deep_chart_is_laid_out(self):
        """
        A thousand layers, with arrows over all of them, take no recursion and no grid.
        """
        boxes, links = chain(1_000)
        links += [Link("0", str(number)) for number in range(1_000)]
        links += [Link(str(number), "0", 30, 15) for number in range(1_000)]

        layout = arrange(boxes, links)

        tops = [layout.places[box.id].y for box in boxes]
        assert sorted(tops) == tops
        assert 3_000 - 1 == len(layout.routes)
