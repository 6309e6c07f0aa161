"""Who is who, and the API that tells."""

import pytest
from aiohttp import encode_basic_auth

from homing.emulators import SegmentEmulator, SegmentSettings
from homing.emulators.segment.profiles import KEPT_EVENTS, Profiles


def identify(traits, received="2026-01-01T00:00:00.000Z", **ids):
    return {"type": "identify", "traits": traits, "context": {}, "receivedAt": received, **ids}


def track(event, **ids):
    return {"type": "track", "event": event, "context": {}, "receivedAt": "", **ids}


class TestApply:
    def test_the_latest_value_wins_and_null_clears(self):
        """Keys that are not mentioned stay."""
        profiles = Profiles(10)

        profiles.apply(identify({"a": 1, "b": 1, "c": 1}, userId="u"))
        profiles.apply(identify({"a": 2, "b": None}, userId="U"))

        assert {"a": 2, "c": 1} == profiles.find("user_id", "u").traits

    def test_identifiers_that_meet_merge(self):
        """An anonymous person who gives a user id is that user, with all that was known."""
        profiles = Profiles(10)
        profiles.apply(track("Seen", anonymousId="a"))
        profiles.apply(identify({"old": 1, "plan": "x"}, anonymousId="a"))
        profiles.apply(identify({"plan": "y"}, userId="u"))

        profiles.apply(track("Joined", userId="u", anonymousId="a"))

        profile = profiles.find("anonymous_id", "a")
        assert profile is profiles.find("user_id", "u")
        assert {"old": 1, "plan": "y"} == profile.traits
        assert {"Seen", "Joined"} == {event["event"] for event in profile.events}
        assert 1 == len(profiles)

    @pytest.mark.parametrize(
        "holder",
        [{"traits": {"email": "A@b.co"}}, {"properties": {"email": "A@b.co"}},
         {"context": {"traits": {"email": "A@b.co"}}}],
    )  # fmt: skip
    def test_an_address_is_an_identifier(self, holder):
        """In any of three places, in lower case."""
        profiles = Profiles(10)

        profiles.apply({**track("E", userId="u"), **holder})

        assert profiles.find("email", "a@b.co") is profiles.find("user_id", "u")

    def test_two_users_with_one_address_stay_two(self):
        """People are not merged by address."""
        profiles = Profiles(10)
        profiles.apply(identify({"email": "a@b.co", "n": 1}, userId="u1"))

        profiles.apply(identify({"email": "a@b.co", "n": 2}, userId="u2"))

        assert (1, 2) == tuple(profiles.find("user_id", u).traits["n"] for u in ("u1", "u2"))

    def test_memory_is_bounded(self):
        """The least recently touched profile goes, with its identifiers; so do old events."""
        profiles = Profiles(2)
        for user in ("u1", "u2", "u3"):
            profiles.apply(identify({"email": f"{user}@b.co"}, userId=user))
        for number in range(KEPT_EVENTS + 5):
            profiles.apply(track(str(number), userId="u3"))

        assert profiles.find("user_id", "u1") is None
        assert profiles.find("email", "u1@b.co") is None
        assert KEPT_EVENTS == len(profiles.find("user_id", "u3").events)


class TestProfileApi:
    async def test_traits_are_told(self, segment, look):
        """All of them, up to ten, in order of name."""
        segment.profiles.put("user_id", "U1", {f"t{n:02}": n for n in range(12)})

        answer = await (await look(segment, "user_id:u1")).json()

        assert [f"t{n:02}" for n in range(10)] == list(answer["traits"])
        assert (True, "10", 10) == tuple(answer["cursor"][k] for k in ("has_more", "next", "limit"))

    async def test_pages_go_on(self, segment, look):
        """With the cursor's ``next``, until there is no more."""
        segment.profiles.put("user_id", "u1", {f"t{n}": n for n in range(5)})

        first = await (await look(segment, "user_id:u1", "traits?limit=3")).json()
        following = first["cursor"]["next"]
        second = await (
            await look(segment, "user_id:u1", f"traits?limit=3&next={following}")
        ).json()

        assert 5 == len(first["traits"] | second["traits"])
        assert not second["cursor"]["has_more"]

    async def test_only_what_is_asked_for(self, segment, look):
        """``include`` names traits; unknown ones are left out."""
        segment.profiles.put("email", "ada+1@b.co", {"a": 1, "b": None, "c": [1]})

        answer = await look(segment, "email:ada%2B1%40b.co", "traits?include=a,c,x")

        assert {"a": 1, "c": [1]} == (await answer.json())["traits"]

    @pytest.mark.parametrize(
        ("who", "rest", "status"),
        [
            ("user_id:nobody", "traits", 404),
            ("user_id:U1", "traits", 404),
            ("user_id", "traits", 404),
            ("email:a+b@c.co", "traits", 500),
            ("user_id:u1", "traits?limit=201", 400),
            ("user_id:u1", "traits?limit=0", 400),
            ("user_id:u1", "traits?limit=x", 400),
            ("user_id:u1", "nothing", 404),
        ],
    )
    async def test_errors_have_a_code(self, segment, look, who, rest, status):
        """Unknown, badly encoded, out of range."""
        segment.profiles.put("user_id", "u1", {})

        answer = await look(segment, who, rest)

        assert status == answer.status
        assert (await answer.json())["error"]["code"]
        assert answer.headers["Request-Id"]

    async def test_a_wrong_token_is_401(self, segment, http):
        """The token is the user name."""
        url = f"{segment.url}/v1/spaces/{segment.space}/collections/users/profiles/user_id:u/traits"
        headers = {"Authorization": encode_basic_auth("", segment.token)}
        async with http.get(url, headers=headers) as answer:
            assert 401 == answer.status

    async def test_a_space_has_a_rate(self, look):
        """So many in a second, then 429; found or not."""
        now = [100.0]
        settings = SegmentSettings(clock=lambda: now[0], profile_requests_per_s=2)
        async with SegmentEmulator(settings=settings) as segment:
            segment.profiles.put("user_id", "u1", {"plan": "pro"})
            answers = [
                await look(segment, who) for who in ("user_id:u1", "user_id:x", "user_id:u1")
            ]
            now[0] += 1
            again = await look(segment, "user_id:u1")

        assert [200, 404, 429, 200] == [answer.status for answer in (*answers, again)]
        assert "rate_limit_error" == (await answers[2].json())["error"]["code"]

    async def test_other_parts_of_a_profile(self, segment, look):
        """Identifiers, events newest first, and when it was made."""
        segment.record(identify({"email": "a@b.co"}, userId="u1"))
        for event in ("First", "Second"):
            segment.record(track(event, userId="u1"))

        ids = await (await look(segment, "user_id:u1", "external_ids")).json()
        events = await (await look(segment, "user_id:u1", "events?limit=1")).json()
        metadata = await (await look(segment, "user_id:u1", "metadata")).json()

        assert [("user_id", "u1"), ("email", "a@b.co")] == [
            (r["type"], r["id"]) for r in ids["data"]
        ]
        assert ["Second"] == [event["event"] for event in events["data"]]
        assert "2026-01-01T00:00:00.000Z" == metadata["metadata"]["created_at"]

    async def test_what_comes_in_is_seen_here(self, segment, post, look):
        """The tracking API feeds the profiles."""
        await post(segment, "/v1/identify", {"userId": "u9", "traits": {"plan": "pro"}})

        assert {"plan": "pro"} == (await (await look(segment, "user_id:u9")).json())["traits"]
