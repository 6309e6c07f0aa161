"""The public settings of a source."""

from homing.emulators import SegmentEmulator


class TestCdn:
    async def test_a_write_key_leads_to_the_settings_of_its_source(self, http):
        """They tell where the source takes messages."""
        async with SegmentEmulator() as segment:
            url = f"{segment.url}/v1/projects/{segment.write_key}/settings"
            async with http.get(url) as answer:
                here = await answer.json()
            segment.cdn.api_host = "events.eu1.segmentapis.com/v1"
            async with http.get(url) as answer:
                there = await answer.json()

        hosts = [one["integrations"]["Segment.io"]["apiHost"] for one in (here, there)]
        assert [f"127.0.0.1:{segment.port}/v1", "events.eu1.segmentapis.com/v1"] == hosts

    async def test_another_key_leads_nowhere(self, http):
        """404, as of a source that is not there."""
        async with (
            SegmentEmulator() as segment,
            http.get(f"{segment.url}/v1/projects/other/settings") as answer,
        ):
            assert 404 == answer.status
