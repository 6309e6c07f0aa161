"""How much is measured: enough for a figure that repeats, or just enough to try."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Scale:
    """
    Sizes of the runs.

    Args:
        rounds: How often measurement and reference take turns.

        singles: Webhooks of one event in a run.

        batches: Webhooks of 100 events in a run.

        backlog: Batches of 100 events that keep the worker busy.

        evaluated: Events in a run of the evaluating stage.

        sends: Emails in a run of the delivering stage.

        path: Webhooks in a run of the whole path.

        written: SendGrid events in a run of the write-back, in posts of 100.

        paced_s: How long the latency at a tenth of capacity is watched.

        people: Persons the events are about.

        store: Events of the large store.

        store_people: Persons of the large store.

        taken: Events the service takes in before its memory is read.

        runs: Runs of a journey that wait, all due at one instant in the end.

        due: Further ones that are due at one instant before.

        ticked: Runs in a run of the waking stage.

        simulated: Events of a simulation.

        listed: Addresses on a list of SendGrid's.

        contacts: People who become Marketing contacts.

        members: Members of a contact list, of whom one in a hundred has drifted.
    """

    rounds: int = 3
    singles: int = 15_000
    batches: int = 600
    backlog: int = 6_000
    evaluated: int = 20_000
    sends: int = 8_000
    path: int = 12_000
    written: int = 20_000
    paced_s: float = 6.0
    people: int = 4_000
    store: int = 5_000_000
    store_people: int = 200_000
    taken: int = 1_000_000
    runs: int = 1_000_000
    due: int = 100_000
    ticked: int = 20_000
    simulated: int = 100_000
    listed: int = 20_000
    contacts: int = 50_000
    members: int = 100_000


FULL = Scale()

QUICK = Scale(
    rounds=2,
    singles=3_000,
    batches=100,
    backlog=1_500,
    evaluated=4_000,
    sends=1_500,
    path=2_000,
    written=4_000,
    paced_s=1.5,
    people=1_000,
    store=200_000,
    store_people=5_000,
    taken=20_000,
    runs=50_000,
    due=5_000,
    ticked=4_000,
    simulated=10_000,
    listed=4_000,
    contacts=10_000,
    members=10_000,
)

# for the tests: that all of it runs, and that nothing is lost
TINY = replace(
    QUICK,
    rounds=1,
    singles=64,
    batches=4,
    backlog=300,
    evaluated=100,
    sends=40,
    path=60,
    written=200,
    paced_s=0.4,
    people=50,
    store=1_000,
    store_people=100,
    taken=400,
    runs=200,
    due=50,
    ticked=60,
    simulated=200,
    listed=600,
    contacts=300,
    members=400,
)
