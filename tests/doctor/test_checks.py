"""The table of checks."""

from pathlib import Path

from tests.doctor.conftest import EMAIL

from homing.doctor import checks
from homing.doctor.case import Facts
from homing.doctor.findings import Finding, Status, listed

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "doctor.md"
ELSEWHERE = {"standing", "samples"}


class TestChecks:
    def test_each_asks_for_what_there_is(self):
        """Fields of the facts, or what the store says."""
        asked = {name for check in checks.CHECKS for name in check.asks}

        assert asked <= set(Facts.__slots__) | ELSEWHERE

    def test_ids_are_unique_and_chosen_in_their_order(self):
        """Whatever the order in which they are named."""
        assert len(checks.IDS) == len(set(checks.IDS))
        assert ["key", "lists"] == [one.id for one in checks.chosen(["lists", "key"])]
        assert checks.CHECKS == checks.chosen([])

    def test_each_says_something_even_when_nobody_was_asked(self, case):
        """And nothing is an error then that an account would have to say."""
        for made in (case(), case(EMAIL), case(base="", environ={})):
            found = list(checks.found(made, checks.CHECKS))

            assert set(checks.IDS) == {one.check for one in found}
            assert all(one.found for one in found)
            assert all(one.cure for one in found if one.status in {Status.WARN, Status.ERROR})

    def test_the_manual_lists_each(self):
        """In their order, with what each looks at."""
        rows = [f"| `{check.id}` | {check.about} |" for check in checks.CHECKS]

        assert "\n".join(rows) in PAGE.read_text()

    def test_only_an_error_fails(self):
        """Warnings do not."""
        assert not checks.has_error([Finding(status, "") for status in ("ok", "warn", "skipped")])
        assert checks.has_error([Finding(Status.OK, ""), Finding(Status.ERROR, "")])


class TestListed:
    def test_many_are_cut(self):
        """The first six, and how many more."""
        assert "a, b" == listed(["a", "b", "a"])
        assert "0, 1, 2, 3, 4, 5 and 4 more" == listed(map(str, range(10)))
        assert "" == listed([])
