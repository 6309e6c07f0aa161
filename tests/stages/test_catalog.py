"""The account's lists and custom fields."""

from __future__ import annotations

import pytest
from tests.support.marketing import FakeMarketing, Place
from tests.support.stages import answer

from homing.adapters.memory.state import MemoryState
from homing.stages.asking import Refused
from homing.stages.catalog import FRESH_MS, KEPT_MS, Catalog, NotMade, next_token


@pytest.fixture
def place() -> Place:
    """An account of many lists."""
    return Place(MemoryState(), FakeMarketing(page=50))


@pytest.fixture
def catalog(place: Place) -> Catalog:
    """Of that account."""
    return Catalog(place.asker(), place.clock)


class TestListId:
    async def test_lists_are_found_on_any_page(self, place: Place, catalog: Catalog) -> None:
        """Of 150 on three pages; only the token of a next page's address is used."""
        for n in range(150):
            place.sendgrid._list(f"List {n} ü'\"\\")
        expected = next(k for k, v in place.sendgrid.lists.items() if v.startswith("List 149"))

        assert expected == await catalog.list_id("List 149 ü'\"\\")
        assert 3 == len(place.sendgrid.calls)
        assert all(path.startswith("/v3/marketing/lists?") for _, path, _ in place.sendgrid.calls)

        await catalog.list_id("List 3 ü'\"\\")
        assert 3 == len(place.sendgrid.calls)

    async def test_of_two_of_one_name_the_first_and_always_the_same(
        self, place: Place, catalog: Catalog
    ) -> None:
        """Read again after ten minutes."""
        place.sendgrid.lists |= {"l1": "VIP", "l2": "VIP"}
        assert "l1" == await catalog.list_id("VIP")
        place.clock.forward(KEPT_MS + 1)
        assert "l1" == await catalog.list_id("VIP")
        assert 2 == len(place.sendgrid.calls)

    async def test_it_is_made_once(self, place: Place, catalog: Catalog) -> None:
        """And not when it is only looked for."""
        assert await catalog.find_list("VIP") is None
        assert await catalog.list_id("VIP") == await catalog.list_id("VIP")
        assert ["VIP"] == list(place.sendgrid.lists.values())

    async def test_a_name_that_is_refused_is_no_trouble_of_the_api(
        self, place: Place, catalog: Catalog
    ) -> None:
        """A key that may not make lists is."""
        for status, error in ((400, NotMade), (403, Refused)):
            place.sendgrid.override = lambda m, _, __, status=status: (
                answer(status, {"errors": [{"message": "no"}]}) if m == "POST" else None
            )
            with pytest.raises(error, match="no"):
                await catalog.list_id("VIP")

    async def test_pages_that_do_not_end_are_refused(self, place: Place, catalog: Catalog) -> None:
        """The same token again."""
        page = {"result": [], "_metadata": {"next": "https://x/?page_token=5"}}
        place.sendgrid.override = lambda *_: answer(200, page)
        with pytest.raises(Refused, match="do not end"):
            await catalog.list_id("VIP")
        assert 2 == len(place.sendgrid.calls)


class TestFields:
    async def test_a_missing_one_is_looked_for_again_but_seldom(
        self, place: Place, catalog: Catalog
    ) -> None:
        """Somebody may have made it by now."""
        assert {} == (await catalog.fields({"plan": ["a"]})).defined
        place.sendgrid.fields["plan"] = ("e1_T", "Text")
        assert {} == (await catalog.fields({"plan": ["a"]})).defined
        place.clock.forward(FRESH_MS + 1)
        assert {"plan"} == set((await catalog.fields({"Plan": ["a"]})).defined)
        assert 2 == len(place.sendgrid.calls)

    async def test_what_others_made_meanwhile_is_not_refused(
        self, place: Place, catalog: Catalog
    ) -> None:
        """To make it is refused, and there it is."""
        catalog.create_fields = True

        def taken(method: str, _: str, __: object) -> object:
            if method != "POST":
                return None
            place.sendgrid.fields["plan"] = ("e1_T", "Text")
            return answer(400, {"errors": [{"message": "already exists"}]})

        place.sendgrid.override = taken  # type: ignore[assignment]
        fields = await catalog.fields({"plan": ["a"]})
        assert ({"plan"}, {}) == (set(fields.defined), fields.refused)

    async def test_refresh_tells_whether_anything_changed(
        self, place: Place, catalog: Catalog
    ) -> None:
        """So that nothing is called again for nothing."""
        assert not await catalog.refresh()
        place.sendgrid.fields["plan"] = ("e1_T", "Text")
        assert await catalog.refresh()
        assert not await catalog.refresh()


class TestNextToken:
    @pytest.mark.parametrize(
        ("metadata", "token"),
        [
            ({"next": "https://api.sendgrid.com/v3/marketing/lists?page_token=a%2Fb&x=1"}, "a/b"),
            ({"next": "https://evil.example/?page_token=t"}, "t"),
            ({"next": ""}, None), ({"next": 5}, None), ({"next": "https://x/"}, None), (None, None),
        ],
    )  # fmt: skip
    def test_only_the_token_counts(self, metadata: object, token: str | None) -> None:
        """Whatever host it names."""
        assert token == next_token({"_metadata": metadata})
