"""What all pages share: times, links to neighbours."""

import pytest

from homing.emulators import SegmentEmulator, SegmentSettings, SendGridEmulator
from homing.emulators.pages import ago_text, moment

NOON = 1_767_614_400.0  # 2026-01-05, 12:00 UTC


class TestAgoText:
    @pytest.mark.parametrize(
        ("seconds", "text"),
        [
            (-5, "just now"),
            (0, "just now"),
            (1, "1 s ago"),
            (59.4, "59 s ago"),
            (60, "1 min ago"),
            (3_599, "59 min ago"),
            (7_200, "2 h ago"),
            (86_400, "1 d ago"),
        ],
    )
    def test_the_largest_whole_unit_counts(self, seconds, text):
        """A clock that is behind says that it was now."""
        assert text == ago_text(seconds)


class TestMoment:
    def test_both_times_are_there(self):
        """The hour, how long ago, and the whole moment for machines and for pointing at."""
        assert (
            '<time datetime="2026-01-05T12:00:00+00:00" title="2026-01-05 12:00:00 UTC">12:00:00'
            " <small>10 s ago</small></time>"
        ) == moment(NOON, now=NOON + 10)

    def test_another_day_is_named(self):
        """By its date."""
        assert ">2026-01-05 12:00 <small>1 d ago</small>" in moment(NOON, now=NOON + 86_400)


class TestNeighbours:
    async def test_every_page_links_to_them(self, http):
        """As text and address, whatever is in them."""
        async with SendGridEmulator() as sendgrid, SegmentEmulator() as segment:
            for emulator, path in ((sendgrid, "/mailbox"), (segment, "/profiles")):
                emulator.neighbours.append(("<b>", "http://127.0.0.1:9/?a=1&b=2"))
                async with http.get(emulator.url + path) as response:
                    page = await response.text()

                assert '<a href="http://127.0.0.1:9/?a=1&amp;b=2">&lt;b&gt;</a>' in page


class TestProfiles:
    async def test_people_are_listed_by_name(self, http):
        """Also those that only the workspace's own sources know, with their events."""
        settings = SegmentSettings(clock=lambda: NOON)
        async with SegmentEmulator(settings=settings) as segment:
            ada = {"userId": "u/1", "messageId": "m1"}
            traits = {"first_name": "Ada", "last_name": "<Lovelace>"}
            segment.record(ada | {"type": "identify", "traits": traits})
            segment.record(ada | {"type": "track", "event": "Product Viewed", "messageId": "m2"})
            pages = {}
            for path in ("/profiles", "/profiles/user_id/u%2F1", "/debugger/m2"):
                async with http.get(segment.url + path) as response:
                    assert 200 == response.status
                    pages[path] = await response.text()

        assert "Ada &lt;Lovelace&gt;" in pages["/profiles"]
        assert 'href="/profiles/user_id/u%2F1"' in pages["/profiles"]
        assert "Product Viewed" in pages["/profiles/user_id/u%2F1"]
        assert "12:00:00 <small>just now</small>" in pages["/debugger/m2"]
