"""What one event means."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homing.core import people
from homing.core.decide import (
    Decision,
    PersonFacts,
    Rules,
    address_of,
    decide,
    root_of,
    template_data,
)
from homing.core.effects import (
    CannotDo,
    WantAudience,
    WantCall,
    WantContact,
    WantList,
    WantSend,
    WantSuppression,
)
from homing.core.events import Happened
from homing.core.fql import parse
from homing.core.mapping import MappingFailure, compile_mapping
from homing.core.people import Person
from homing.core.plans import (
    Action,
    ChangeAudience,
    ChangeList,
    Identify,
    MachineOpens,
    OptRule,
    Plans,
    Route,
    Send,
    Suppress,
    Track,
    Unsuppress,
    UpsertContact,
    Writeback,
)

ADA = Person(1, user_id="ada")
RECEIPT = Send("receipt")
ORDERED = {"type": "track", "event": "Ordered", "properties": {"total": 5}}
TOO_LONG = compile_mapping("{{ event | replace: 'a', event }}", place="here")


def route(name: str, when: str, *actions: Action, stop: bool = False) -> Route:
    """A route, its condition parsed."""
    return Route(name, parse(when), actions, stop)


def rules_of(
    *routes: Route, opt_out: tuple[OptRule, ...] = (), opt_in: tuple[OptRule, ...] = ()
) -> Rules:
    """Rules of these routes."""
    writeback = Writeback(frozenset(), {}, MachineOpens.SEPARATE)
    return Rules(Plans("v1", {}, routes, opt_out, opt_in, writeback, {}))


def happened(
    data: Mapping[str, object], *, number: int = 1, at_ms: int = 10, engagement: bool = False
) -> Happened:
    """An event at a moment."""
    return Happened(number, data, at_ms, at_ms, engagement)


def wishes(
    rules: Rules, data: Mapping[str, object] = ORDERED, person: Person = ADA
) -> list[object]:
    """What is wanted of one event."""
    return list(decide(happened(data), person, rules).wishes)


class TestDecide:
    def test_routes_are_asked_in_file_order(self):
        """
        Each that holds adds its actions, in their order.
        """
        rules = rules_of(
            route("b", "all", Send("b1"), Send("b2")),
            route("no", 'event = "Other"', Send("no")),
            route("a", 'event = "Ordered"', Send("a1")),
        )

        assert [WantSend("b", "b1"), WantSend("b", "b2"), WantSend("a", "a1")] == wishes(rules)

    def test_stop_ends_the_asking(self):
        """
        But only where the route's condition held.
        """
        rules = rules_of(
            route("skipped", 'event = "Other"', RECEIPT, stop=True),
            route("first", "all", RECEIPT, stop=True),
            route("second", "all", RECEIPT),
        )

        assert [WantSend("first", "receipt")] == wishes(rules)

    def test_the_person_is_asked_about_as_after_the_event(self):
        """
        Traits that this very event brings count.
        """
        rules = rules_of(route("r", 'profile.plan = "pro"', RECEIPT))

        assert [] == wishes(rules)
        assert [WantSend("r", "receipt")] == wishes(
            rules, {"type": "identify", "traits": {"plan": "pro"}}
        )

    def test_an_event_that_changes_nothing_keeps_the_person(self):
        """
        The same object: nothing has to be written.
        """
        assert ADA is decide(happened(ORDERED), ADA, rules_of(route("r", "all", RECEIPT))).person

    def test_opt_outs_come_before_any_send_of_the_same_event(self):
        """
        Who leaves with an event is not mailed because of it.
        """
        rules = rules_of(
            route("r", "all", RECEIPT),
            opt_out=(OptRule(parse("all")), OptRule(parse("all"), "newsletter")),
            opt_in=(OptRule(parse("type = 'identify'")),),
        )

        assert [
            WantSuppression("suppression.opt_out", "global", suppressed=True),
            WantSuppression("suppression.opt_out", "newsletter", suppressed=True),
            WantSend("r", "receipt"),
        ] == wishes(rules)

    def test_the_same_input_gives_the_same_decision(self):
        """
        Promise P7: also when candidate rules were remembered meanwhile.
        """
        rules = rules_of(route("r", 'did("Ordered", 2)', RECEIPT))
        first = decide(happened(ORDERED), ADA, rules)
        for number in range(5_000):
            decide(happened({"type": "track", "event": f"E{number}"}), ADA, rules)

        assert first == decide(happened(ORDERED), ADA, rules)

    @given(
        st.dictionaries(
            st.sampled_from(["type", "event", "traits", "properties", "context", "userId"]),
            st.none()
            | st.booleans()
            | st.integers()
            | st.text(max_size=5)
            | st.lists(st.integers(), max_size=2)
            | st.dictionaries(
                st.sampled_from(["traits", "email", "personas", "timezone", "plan"]),
                st.none()
                | st.text(max_size=5)
                | st.dictionaries(st.text(max_size=3), st.integers()),
                max_size=3,
            ),
        )
    )
    def test_no_shape_of_an_event_raises(self, data):
        """
        Whatever stands where an object or text was expected.
        """
        rules = rules_of(
            route("r", 'properties.total > 1 or did("a", 2, "7d")', RECEIPT),
            route("s", 'in_audience("vip") or profile.plan = "pro"', RECEIPT),
        )

        assert isinstance(decide(happened(data), ADA, rules), Decision)


class TestActions:
    def test_calls_carry_their_values(self):
        """
        Resolved against event and person.
        """
        rules = rules_of(
            route(
                "r",
                "all",
                Track("Bought", compile_mapping({"total": "$.properties.total"})),
                Track("Bare"),
                Identify(compile_mapping({"city": "$.profile.city", "gone": "$.profile.nope"})),
            )
        )
        person = Person(1, traits={"city": "Bern"}, trait_at={"city": 1})

        assert [
            WantCall("r", "track", "Bought", {"total": 5}),
            WantCall("r", "track", "Bare", {}),
            WantCall("r", "identify", None, {"city": "Bern"}),
        ] == wishes(rules, person=person)

    def test_suppressions(self):
        """
        Out of and into a scope.
        """
        rules = rules_of(route("r", "all", Suppress("global"), Unsuppress("newsletter")))

        assert [
            WantSuppression("r", "global", suppressed=True),
            WantSuppression("r", "newsletter", suppressed=False),
        ] == wishes(rules)

    def test_contacts_and_lists(self):
        """
        As the action names them; what they hold is resolved with the person's address.
        """
        upsert = UpsertContact()
        rules = rules_of(route("r", "all", upsert, ChangeList("a", True), ChangeList("a", False)))

        assert [
            WantContact("r", upsert), WantList("r", "a", True), WantList("r", "a", False),
        ] == wishes(rules)  # fmt: skip

    def test_an_audience_says_whether_anything_changed(self):
        """
        In it already, or never in it: nothing did.
        """
        rules = rules_of(
            route("r", "all", ChangeAudience("a", False), ChangeAudience("a", True),
                  ChangeAudience("a", True))
        )  # fmt: skip

        assert [
            WantAudience("r", "a", False, changed=False),
            WantAudience("r", "a", True, changed=True),
            WantAudience("r", "a", True, changed=False),
        ] == wishes(rules)

    def test_a_failing_action_does_not_spoil_its_neighbours(self):
        """
        Nor the routes after it.
        """
        rules = rules_of(
            route("r", "all", Track("Bad", TOO_LONG), RECEIPT), route("s", "all", RECEIPT)
        )

        failed, *others = wishes(rules, {"type": "track", "event": "a" * 20_000})

        assert isinstance(failed, CannotDo)
        assert "here" in failed.reason
        assert [WantSend("r", "receipt"), WantSend("s", "receipt")] == others

    def test_a_local_audience_is_a_state_of_the_person(self):
        """
        It holds from the next event on.
        """
        rules = rules_of(
            route("in", 'event = "Ordered"', ChangeAudience("vip", True)),
            route("vips", 'in_audience("vip") and event = "Came"', RECEIPT),
        )
        came = {"type": "track", "event": "Came"}
        ordered = decide(happened(ORDERED), ADA, rules).person

        assert {"vip": (True, 10)} == ordered.audiences
        assert [] == wishes(rules, came)
        assert [WantSend("vips", "receipt")] == wishes(rules, came, ordered)


class TestDid:
    def test_the_present_event_counts(self):
        """
        "Third pricing view in 7 days" holds at the third, and when two come in one moment.
        """
        rules = rules_of(route("r", 'did("Ordered", 3, "7d") and event = "Ordered"', RECEIPT))
        person, held = ADA, []
        for number in range(1, 5):
            decision = decide(happened(ORDERED, number=number), person, rules)
            person = decision.person
            held.append(bool(decision.wishes))

        assert [False, False, True, True] == held

    def test_an_event_decided_again_is_not_counted_again(self):
        """
        A replay keeps the event's number.
        """
        rules = rules_of(route("r", 'did("Ordered", 2)', RECEIPT))
        person = ADA
        for _ in range(3):
            decision = decide(happened(ORDERED), person, rules)
            person = decision.person

        assert () == decision.wishes

    def test_the_window_is_by_event_time(self):
        """
        What came in late lies where it happened.
        """
        rules = rules_of(route("r", 'did("Ordered", 2, "1m")', RECEIPT))
        person = decide(happened(ORDERED, at_ms=200_000), ADA, rules).person

        early = decide(happened(ORDERED, number=2, at_ms=100_000), person, rules)
        beside = decide(happened(ORDERED, number=2, at_ms=140_000), person, rules)

        assert () == early.wishes
        assert () == beside.wishes  # the other one is later still
        last = decide(happened(ORDERED, number=3, at_ms=200_000), beside.person, rules)
        assert (WantSend("r", "receipt"),) == last.wishes

    def test_a_condition_chooses_what_counts(self):
        """
        Asked of the counted event.
        """
        rules = rules_of(route("r", "did('Ordered', 1, null, 'properties.total > 10')", RECEIPT))
        large = {**ORDERED, "properties": {"total": 11}}

        assert [] == wishes(rules)
        assert [WantSend("r", "receipt")] == wishes(rules, large)

    def test_engagement_counts_too(self):
        """
        Emails opened and clicked are events as others are.
        """
        rules = rules_of(route("r", 'did("Email Opened")', RECEIPT))
        opened = happened({"type": "track", "event": "Email Opened"}, engagement=True)

        assert (WantSend("r", "receipt"),) == decide(opened, ADA, rules).wishes

    def test_only_track_events_count(self):
        """
        A page has no event, whatever it carries under that key.
        """
        rules = rules_of(route("r", 'did("Ordered")', RECEIPT))

        assert [] == wishes(rules, {**ORDERED, "type": "page"})

    def test_one_that_comes_very_late_still_counts_itself(self):
        """
        Though it is not kept beside so many newer ones.
        """
        rules = rules_of(route("r", 'did("Ordered", 1, "1m")', RECEIPT))
        person = ADA
        for number in range(60):
            late = happened(ORDERED, number=number, at_ms=10**12 + number)
            person = decide(late, person, rules).person

        assert (WantSend("r", "receipt"),) == decide(
            happened(ORDERED, number=99, at_ms=5), person, rules
        ).wishes


class TestEngagement:
    def test_it_teaches_nothing_about_the_person(self):
        """
        The call written home has traits and a time zone of ours in it, not of the person's.
        """
        data = {
            "type": "track",
            "event": "Email Opened",
            "context": {"traits": {"email": "a@x.io"}, "timezone": "UTC"},
        }

        assert ADA is decide(happened(data, engagement=True), ADA, rules_of()).person


class TestPersonFacts:
    def test_who_was_never_heard_of_is_no_member(self):
        """
        Left is not a member, either.
        """
        person = Person(1, audiences={"in": (True, 1), "out": (False, 1)})
        facts = PersonFacts(person, 10)

        assert [True, False, False] == [facts.in_audience(key) for key in ("in", "out", "never")]


def address(
    data: Mapping[str, object], person: Person = ADA, *, to: object = None, email_to: object = None
) -> str | None:
    """Where a send goes."""
    want = WantSend("r", "e", to=None if to is None else compile_mapping(to))
    root = root_of(happened(data), person)
    of_email = None if email_to is None else compile_mapping(email_to)
    return address_of(want, root, person, email_to=of_email)


EVERYWHERE = {
    "properties": {"email": " Prop@x.io "},
    "traits": {"email": "trait@x.io"},
    "context": {"traits": {"email": "context@x.io"}},
}
KNOWN = Person(1, email="name@x.io", traits={"email": "own@x.io"}, trait_at={"email": 1})


class TestAddressOf:
    @pytest.mark.parametrize(
        ("missing", "found"),
        [
            ((), "Prop@x.io"),
            (("properties",), "trait@x.io"),
            (("properties", "traits"), "context@x.io"),
            (("properties", "traits", "context"), "own@x.io"),
        ],
    )
    def test_the_chain(self, missing, found):
        """
        Properties, traits, context, then what is known of the person.
        """
        data = {key: value for key, value in EVERYWHERE.items() if key not in missing}

        assert found == address(data, KNOWN)

    @pytest.mark.parametrize("odd", [None, "", "  ", 5, [], {"email": None}, {"email": ["a"]}])
    def test_what_is_no_text_is_passed_over(self, odd):
        """
        At every place of the chain.
        """
        data = {"properties": odd, "traits": {"email": odd}, "context": {"traits": odd}}

        assert "own@x.io" == address(data, KNOWN)
        assert address(data, ADA) is None

    def test_to_goes_first_and_the_actions_before_the_emails(self):
        """
        Each a mapping.
        """
        data = {**EVERYWHERE, "properties": {"a": "a@x.io", "b": "b@x.io"}}

        assert "b@x.io" == address(data, email_to="$.properties.b")
        assert "a@x.io" == address(data, to="$.properties.a", email_to="$.properties.b")

    def test_a_to_that_gives_nothing_is_not_replaced(self):
        """
        An email meant for the buyer's friend does not go to the buyer instead.
        """
        assert address(EVERYWHERE, KNOWN, to="$.properties.friend") is None

    def test_an_international_domain_is_written_as_sendgrid_does(self):
        """
        So that what it says of the address is found again.
        """
        assert "ada@xn--bcher-kva.example" == address(
            {"properties": {"email": "ada@bücher.example"}}
        )


class TestTemplateData:
    PERSON = Person(1, traits={"name": "Ada", "total": 1}, trait_at={})

    def root(self, data: Mapping[str, object] = ORDERED) -> Mapping[str, object]:
        """What a mapping sees."""
        return root_of(happened(data), self.PERSON, send={"id": "1-0"})

    def test_by_default_properties_win_over_traits(self):
        """
        Both merged.
        """
        data = template_data(WantSend("r", "e"), self.root(), email_data=None)

        assert {"name": "Ada", "total": 5} == data

    def test_the_actions_data_goes_over_the_emails(self):
        """
        And neither traits nor properties beside them.
        """
        want = WantSend("r", "e", data=compile_mapping({"a": "$.send.id", "b": 2}))

        data = template_data(want, self.root(), email_data=compile_mapping({"b": 1, "c": 3}))

        assert {"a": "1-0", "b": 2, "c": 3} == data

    def test_data_that_is_absent_adds_nothing(self):
        """
        A path to what the event lacks.
        """
        want = WantSend("r", "e", data=compile_mapping("$.properties.more"))

        assert {"name": "Ada", "total": 5} == template_data(want, self.root(), email_data=None)

    def test_data_that_is_no_object_is_refused(self):
        """
        A template takes names.
        """
        want = WantSend("r", "e", data=compile_mapping("$.properties.total"))

        with pytest.raises(MappingFailure, match="expected template data to be an object, got int"):
            template_data(want, self.root(), email_data=None)

    @pytest.mark.parametrize("properties", [None, [], "x", 5])
    def test_properties_of_any_shape(self, properties):
        """
        The traits alone are left.
        """
        root = self.root({"type": "track", "properties": properties})

        assert self.PERSON.traits == template_data(WantSend("r", "e"), root, email_data=None)


class TestDids:
    def test_each_distinct_did_is_listed_once(self):
        """
        Of routes and of opt conditions.
        """
        rules = rules_of(
            route("a", 'did("A") or did("B", 2)'),
            route("b", 'did("A")'),
            opt_out=(OptRule(parse('did("C")')),),
            opt_in=(OptRule(parse('did("A")')),),
        )

        assert [("A", 1), ("B", 2), ("C", 1)] == [(d.event, d.at_least) for d, _ in rules.dids]
        assert [people.did_key(did) for did, _ in rules.dids] == [key for _, key in rules.dids]
