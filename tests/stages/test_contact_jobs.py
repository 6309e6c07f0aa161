"""A job of writing contacts, from its call to what came of it."""

from __future__ import annotations

import pytest
from tests.support.marketing import LISTS, FakeMarketing, Place, engaged, identify
from tests.support.stages import answer

from homing.adapters.memory.state import MemoryState
from homing.core.wire import json_bytes
from homing.ports import Store

ODD = ["o'neil@x.io", "ünï@x.io", f"{'l' * 60}@{'d' * 190}.com", "A@X.IO", "a@bücher.example"]


@pytest.fixture
def place(store: Store) -> Place:
    """People before SendGrid."""
    return Place(store)


class TestCall:
    async def test_odd_addresses(self, place: Place) -> None:
        """Lower-cased, international domains in ASCII; what SendGrid would refuse is dead alone."""
        await place.take(*(identify(f"u{n}", email=email) for n, email in enumerate(ODD)))
        await place.told()

        expected = {"o'neil@x.io", "a@x.io", "a@xn--bcher-kva.example"}
        assert expected == set(place.sendgrid.contacts)
        assert 2 == len(await place.dead())
        assert 1 == len(place.sendgrid.upserts())

    async def test_addresses_that_the_answer_names_are_dead_and_the_others_go_on(
        self, place: Place
    ) -> None:
        """What was refused was not done: to call without them is no repetition."""
        place.sendgrid.invalid |= {"u1@x.io", "u3@x.io"}
        await place.take(*(identify(f"u{n}") for n in range(5)))
        await place.told()

        assert {"u0@x.io", "u2@x.io", "u4@x.io"} == set(place.sendgrid.contacts)
        assert 2 == len(place.sendgrid.upserts())
        counts = await place.counts()
        assert (3, 2) == (counts["done"], counts["dead"])
        assert "contacts:calls_repeated" not in counts

    async def test_a_batch_that_is_too_large_is_parted(self) -> None:
        """By what SendGrid takes; and where it says 413."""
        custom = ", ".join(f'f{n} = "$.traits.f"' for n in range(30))
        extra = LISTS.replace('custom = { plan = "$.traits.plan" }', f"custom = {{ {custom} }}")
        place = Place(MemoryState(), extra=extra)
        place.sendgrid.fields |= {f"f{n}": (f"e{n}", "Text") for n in range(30)}
        place.sendgrid.override = lambda method, _, body: (
            answer(413) if method == "PUT" and len(body["contacts"]) > 60 else None
        )
        await place.take(*(identify(f"u{n}", f="x" * 1_000) for n in range(210)))
        await place.told()

        assert 210 == len(place.sendgrid.contacts)
        assert max(len(json_bytes(body)) for body in place.sendgrid.upserts()) < 6_000_000
        assert 105 == max(len(body["contacts"]) for body in place.sendgrid.upserts())
        assert [] == await place.dead()

    async def test_a_refusal_that_names_nobody_is_found_by_halves(self, place: Place) -> None:
        """One contact is dead with the API's own words."""
        place.sendgrid.override = lambda method, _, body: (
            answer(400, {"errors": [{"message": "something"}]})
            if method == "PUT" and any(row["email"] == "u3@x.io" for row in body["contacts"])
            else None
        )
        await place.take(*(identify(f"u{n}") for n in range(8)))
        await place.told()

        assert ["HTTP 400: something"] == await place.dead()
        assert 7 == len(place.sendgrid.contacts)

    async def test_a_list_deleted_meanwhile_is_made_again(self, place: Place) -> None:
        """404 for its id: it is looked up by name."""
        await place.take(engaged("a", 1, member=True))
        await place.told()
        place.sendgrid.lists.clear()
        place.sendgrid.members.clear()
        await place.take(engaged("b", 1, member=True))
        await place.told()

        assert {"b@x.io"} == place.sendgrid.on("VIP")

    async def test_a_field_that_was_made_anew_is_read_again(self, place: Place) -> None:
        """A refusal may be of an id that is no more."""
        place.sendgrid.fields["plan"] = ("e1_T", "Text")
        await place.take(identify("a", plan="free"))
        await place.told()
        place.sendgrid.fields["plan"] = ("e2_T", "Text")
        place.sendgrid.override = lambda method, _, body: (
            answer(400, {"errors": [{"message": "invalid custom field ids supplied"}]})
            if method == "PUT" and "e1_T" in str(body)
            else None
        )
        await place.take(identify("b", plan="pro"))
        await place.told()

        assert {"e2_T": "pro"} == place.sendgrid.contacts["b@x.io"].custom


class TestFields:
    async def test_a_field_is_made_for_all_its_values(self, store: Store) -> None:
        """Of two types text holds both; a name that is refused kills its own contacts alone."""
        place = Place(store, extra=LISTS.replace("[contacts]", "[contacts]\ncreate_fields = true"))
        await place.take(identify("a", plan=5), identify("b", plan="pro"), identify("c", plan=None))
        await place.told()

        assert "Text" == place.sendgrid.fields["plan"][1]
        assert ["5", "pro"] == [
            next(iter(place.sendgrid.contacts[f"{user}@x.io"].custom.values())) for user in "ab"
        ]
        assert {} == place.sendgrid.contacts["c@x.io"].custom

    async def test_a_name_that_sendgrid_does_not_take_stops_nobody(self, store: Store) -> None:
        """Its words are in the reason; others are written, and it is not asked at each batch."""
        place = Place(store, extra=LISTS.replace("[contacts]", "[contacts]\ncreate_fields = true"))
        place.sendgrid.override = lambda method, path, _: (
            answer(400, {"errors": [{"message": "reserved name"}]})
            if method == "POST" and "field_definitions" in path
            else None
        )
        for n in range(3):
            await place.take(identify(f"a{n}", plan=5), identify(f"b{n}"))
            await place.turn()
        await place.told()

        assert 3 == len(await place.dead())
        assert all("reserved name" in reason for reason in await place.dead())
        assert {f"b{n}@x.io" for n in range(3)} == set(place.sendgrid.contacts)
        made = [path for m, path, _ in place.sendgrid.calls if m == "POST" and "field" in path]
        assert 1 == len(made)


class TestLook:
    async def test_done_only_when_the_job_says_so(self, place: Place) -> None:
        """Until then it is sent: a restart loses and repeats nothing."""
        place.sendgrid.looks = 3
        await place.take(identify("a"))
        await place.turn()
        assert (1, 0) == ((await place.counts())["sent"], (await place.counts()).get("done", 0))

        place.begin()
        await place.told()
        assert 1 == (await place.counts())["done"]
        assert 1 == len(place.sendgrid.upserts())

    async def test_whom_the_job_refuses_is_dead_alone(self, place: Place) -> None:
        """Named in the file that it points to; asked again, it may get through."""
        place.sendgrid.refused.add("u1@x.io")
        await place.take(*(engaged(f"u{n}", 1, member=True) for n in range(3)))
        await place.told()
        assert ["import job: it was refused"] * 2 == await place.dead()
        assert {"u0@x.io", "u2@x.io"} == place.sendgrid.on("VIP")

        place.sendgrid.refused.clear()
        await place.take(engaged("u1", 2, member=True))
        await place.told()
        assert "u1@x.io" in place.sendgrid.on("VIP")

    async def test_a_file_that_cannot_be_read_kills_nobody_for_another(self, place: Place) -> None:
        """The batch is written by halves, until what is refused is alone."""
        place.sendgrid.refused.add("u1@x.io")
        place.sendgrid.files = Unreadable()
        await place.take(*(identify(f"u{n}") for n in range(5)))
        await place.told()

        assert 4 == len(place.sendgrid.contacts)
        assert ["import job errored: SendGrid does not say which contacts"] == await place.dead()

    async def test_a_job_that_failed_is_made_again_and_then_given_up(self, store: Store) -> None:
        """Once is an accident; each time is not."""
        failing = FakeMarketing()
        place = Place(store, failing)
        fails = [1, 99]
        failing.override = lambda _, path, __: (
            answer(200, {"status": "failed", "results": {}})
            if "imports" in path and fails[0] > 0 and (fails.__setitem__(0, fails[0] - 1) or True)
            else None
        )
        await place.take(identify("a"))
        await place.told()
        assert (1, []) == (len(failing.contacts), await place.dead())

        fails[0] = 99
        await place.take(identify("b"))
        await place.told()
        assert ["import job failed: SendGrid does not say which contacts"] == await place.dead()

    async def test_a_job_that_is_forgotten_is_made_again_but_not_for_ever(
        self, place: Place
    ) -> None:
        """First it may only be too young to be known."""
        place.sendgrid.override = lambda _, path, __: answer(404) if "imports" in path else None
        await place.take(identify("a"))
        for _ in range(5):
            await place.turn(2_000)
        assert 1 == len(place.sendgrid.upserts())
        await place.told(800)

        assert 2 <= len(place.sendgrid.upserts()) <= 5
        (reason,) = await place.dead()
        assert "SendGrid does not know the import job" in reason


class Unreadable(dict[str, bytes]):
    """Files that are not there."""

    def __contains__(self, key: object) -> bool:
        return False
