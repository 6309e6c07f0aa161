"""Write key, region, Profile API."""

import pytest
from tests.doctor.conftest import BASE

from homing.doctor import segment
from homing.doctor.answers import Failed, Got, SourceSettings

US, EU = "api.segment.io/v1", "events.eu1.segmentapis.com/v1"
TO_EU = BASE.replace("[segment]", '[segment]\nendpoint = "https://events.eu1.segmentapis.com"')
PROXIED = BASE.replace("[segment]", '[segment]\nendpoint = "https://t.acme.example"')
PROFILES = BASE.replace(
    "[segment]", '[segment]\nprofiles = { space = "spa_1", token = "${PROFILE_TOKEN}" }'
)


def source(host):
    return Got(SourceSettings(integrations={"Segment.io": {"apiHost": host}}))


class TestWriteKey:
    @pytest.mark.parametrize(
        ("base", "look", "expected"),
        [
            (BASE, source(US), "ok"),
            (TO_EU, source(EU), "ok"),
            (BASE, source(EU), "error"),
            (TO_EU, source(US), "error"),
            (PROXIED, source(US), "warn"),
            (PROXIED, source("t.acme.example/v1"), "ok"),
            (BASE, source(""), "ok"),
            (BASE, source(None), "ok"),
            (BASE, Got(SourceSettings(integrations={"Segment.io": []})), "ok"),
            (BASE, Failed(404, "Cannot find project"), "error"),
            (BASE, Failed(None, "timed out"), "skipped"),
            (BASE, Failed(503, ""), "skipped"),
        ],
    )
    def test_it_is_of_a_source_in_the_endpoints_region(self, case, base, look, expected):
        """To another region Segment answers 200, and throws away."""
        (finding,) = segment.of_write_key(case(base=base, source=look))

        assert expected == finding.status.value
        assert "write-key" not in finding.found

    def test_the_cure_of_a_wrong_region_is_the_line_to_write(self, case):
        """Ready to be copied."""
        (finding,) = segment.of_write_key(case(source=source(EU)))

        assert 'set `segment.endpoint = "https://events.eu1.segmentapis.com"`' == finding.cure

    def test_none_is_skipped_and_one_that_cannot_be_had_is_an_error(self, case):
        """The first writes nothing home on purpose."""
        without = case(base="")
        missing = case(environ={})

        found = [next(segment.of_write_key(one)).status.value for one in (without, missing)]
        assert ["skipped", "error"] == found


class TestProfiles:
    @pytest.mark.parametrize(
        ("look", "expected"),
        [
            (Got(None), "ok"),
            (Failed(401, "The token is not valid."), "error"),
            (Failed(404, "There is no such space."), "error"),
            (Failed(None, "timed out"), "skipped"),
            (Failed(429, "slow down"), "skipped"),
        ],
    )
    def test_the_token_is_taken_or_not(self, case, look, expected):
        """By what a look-up of nobody is answered."""
        (finding,) = segment.of_profiles(case(base=PROFILES, profile=look))

        assert expected == finding.status.value

    def test_without_look_ups_there_is_nothing_to_look_at(self, case):
        """And a token that cannot be had is an error."""
        missing = case(base=PROFILES, environ={})

        found = [next(segment.of_profiles(one)).status.value for one in (case(), missing)]
        assert ["skipped", "error"] == found
