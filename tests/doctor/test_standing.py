"""Alerts, pauses, refused posts."""

from tests.doctor.conftest import statuses, told

from homing.doctor import standing
from homing.doctor.case import Standing
from homing.ports import Alert, Pause

NOON = 1_700_000_000_000
HOUR = 3_600_000


def alert(kind, subject, at=NOON, count=2):
    return Alert(kind, subject, f"{kind} happened", at, at, count)


class TestStore:
    def test_each_pause_and_each_alert_is_told(self, case):
        """What Homing paused itself is an error; a person may have meant it."""
        stands = Standing(
            alerts=(alert("silent", "d-1"), alert("paused", "mail"), alert("refused", "segment")),
            pauses={"mail": Pause(NOON, "401", "homing"), "segment": Pause(NOON, "by hand", "ann")},
        )

        assert [
            ("error", "paused mail"), ("warn", "paused segment"), ("warn", "alert silent d-1"),
        ] == told(standing.of_store(case(standing=stands)))  # fmt: skip

    def test_nothing_is_well_and_no_store_is_skipped(self, case):
        """The first time there is none."""
        (well,) = standing.of_store(case(standing=Standing(runs=True)))
        (none,) = standing.of_store(case(standing=Standing("there is no store")))

        assert ["ok", "skipped"] == statuses([well, none])
        assert "a service runs" in well.found

    def test_an_alert_tells_how_often_and_when(self, case):
        """In words."""
        (finding,) = standing.of_store(case(standing=Standing(alerts=(alert("clock", "j"),))))

        assert "clock happened (2 times, last 2023-11-14 22:13 UTC)" == finding.found


class TestRefused:
    def test_a_post_refused_today_is_an_error_and_an_older_one_a_warning(self, case):
        """Segment throws away what is refused."""
        stands = Standing(
            alerts=(alert("refused", "segment/web"), alert("refused", "sendgrid", NOON - 30 * HOUR))
        )
        found = list(standing.of_refused(case(standing=stands, now_ms=NOON + HOUR)))

        assert [("error", "posts of segment/web"), ("warn", "posts of sendgrid")] == told(found)
        assert "public_keys" in found[1].cure

    def test_none_is_well_and_no_store_is_skipped(self, case):
        """Nobody was turned away."""
        found = [
            next(standing.of_refused(case(standing=one)))
            for one in (Standing(), Standing("no store"))
        ]

        assert ["ok", "skipped"] == statuses(found)
