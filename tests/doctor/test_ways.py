"""Every way in which an email comes to be sent."""

from tests.doctor.conftest import EMAIL

from homing.doctor.ways import templates_of

JOURNEY = """
[journey.nudge]
entry = { when = 'event = "Signed Up"' }
exit = [{ name = "done", when = 'event = "Done"', send = "receipt" }]
[[journey.nudge.step]]
id = "wait"
hold = "2d"
on = [{ name = "more", when = 'event = "More"', then = "next" }]
[[journey.nudge.step]]
id = "again"
send = { email = "receipt", data = { extra = 1 }, template = "d-00000000000000000000000000000009" }
"""
OPEN = """
[email.open]
template = "d-00000000000000000000000000000002"
[email.computed]
template = "d-00000000000000000000000000000003"
data = { "@path" = "$.properties" }
"""


class TestWaysOf:
    def test_routes_steps_and_exits_are_ways(self, case):
        """Each with the names that its data has."""
        ways = case(EMAIL + JOURNEY).ways

        assert [
            ("route receipt", {"name"}),
            ("journey nudge, step again", {"name", "extra"}),
            ("journey nudge, exit done", {"name"}),
        ] == [(way.place, way.keys) for way in ways]

    def test_a_step_is_reached_by_entry_and_by_what_holds_wait_for(self, case):
        """An exit by its own event."""
        ways = {way.place: way for way in case(EMAIL + JOURNEY).ways}

        step, leaving = ways["journey nudge, step again"], ways["journey nudge, exit done"]
        assert [{"Signed Up"}, {"More"}] == [when.events for when in step.whens]
        assert [{"Done"}] == [when.events for when in leaving.whens]

    def test_an_email_that_nothing_sends_has_a_way_of_its_own(self, case):
        """Names are not known where there is no `data`, or a directive makes it."""
        ways = case(OPEN).ways

        assert [("", None), ("", None)] == [(way.place, way.keys) for way in ways]

    def test_templates_are_listed_once(self, case):
        """With those that actions name."""
        ids = templates_of(case(EMAIL + JOURNEY).ways)

        assert ["d-" + "0" * 31 + "1", "d-" + "0" * 31 + "9"] == list(ids)
