"""Running it: refusals to start, health, admin pages, metrics."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import re
import signal
import socket
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.support.service import Service, World, eventually, free_port, track, world, write_config
from tests.support.wire import Door

from homing.emulators import SegmentEmulator, SendGridEmulator

PROCESSES = pytest.mark.parametrize("processes", [1, 2])


async def refusal(service: Service, **environ: str) -> tuple[int, str]:
    """Exit code and log of a service that should not start."""
    await service.launch(**environ)
    code = await service.exited(20)
    return code, service.log.read_text()


class TestRefusals:
    """What must not start, does not, with an exit code that systemd understands."""

    @pytest.fixture
    async def service(self, tmp_path: Path) -> Service:
        """An installation that nobody has started."""
        async with SendGridEmulator() as sendgrid, SegmentEmulator() as segment:
            return write_config(tmp_path, sendgrid, segment)

    @pytest.mark.parametrize(
        ("old", "new", "named"),
        [
            ("[store]", "[stor]", "store"),
            ("[store]", "[store", "homing.toml"),
            ("total > 0", "total >", "route"),
            ('url = "sqlite', 'url = "mysql', "store.url"),
            ('secrets = ["${SEGMENT_SHARED_SECRET}"]', 'secrets = ["literal"]', "secrets"),
            ('admin = "127.0.0.1', 'admin = "0.0.0.0', "admin"),
            ('admin = "127.0.0.1', 'admin = "[::]', "admin"),
        ],
    )
    async def test_a_bad_configuration_is_78(
        self, service: Service, old: str, new: str, *, named: str
    ) -> None:
        """Exit 78 and the key: systemd does not try again until a person has looked."""
        service.edit(old, new)
        code, log = await refusal(service)
        assert 78 == code
        assert named in log
        assert not service.state.exists()

    @PROCESSES
    @pytest.mark.parametrize("name", ["SENDGRID_API_KEY", "SEGMENT_SHARED_SECRET"])
    async def test_a_missing_secret_is_78(
        self, service: Service, name: str, processes: int
    ) -> None:
        """Named, not guessed."""
        service.edit("processes = 2", f"processes = {processes}")
        del service.environ[name]
        code, log = await refusal(service)
        assert 78 == code
        assert name in log

    @PROCESSES
    async def test_a_public_key_that_is_none_is_78(self, service: Service, processes: int) -> None:
        """A key of another kind, or half a key, is a mistake of configuration."""
        service.edit("processes = 2", f"processes = {processes}")
        code, log = await refusal(service, SENDGRID_WEBHOOK_KEY="MFkwEwYHKoZI")
        assert 78 == code
        assert "verification key" in log

    @PROCESSES
    async def test_an_address_that_is_taken_is_69(self, service: Service, processes: int) -> None:
        """Its holder may go away, so systemd may try again."""
        service.edit("processes = 2", f"processes = {processes}")
        with socket.create_server(("127.0.0.1", service.public)):
            code, log = await refusal(service)
        assert 69 == code
        assert "taken" in log

    @PROCESSES
    async def test_a_second_daemon_on_the_same_store_is_75(
        self, tmp_path: Path, processes: int
    ) -> None:
        """The first goes on as if nothing had happened."""
        async with world(tmp_path, processes=processes) as w:
            first = w.service
            text = first.config.read_text()
            for port in (first.public, first.admin):
                text = text.replace(f":{port}", f":{free_port()}")
            (tmp_path / "second.toml").write_text(text)
            second = _Second(tmp_path, first.public, first.admin, first.environ)
            code, log = await refusal(second)
            assert 75 == code
            assert "another process holds" in log
            assert "Traceback" not in log
            assert 200 == (await w.sender.deliver(_order(1))).status
            await w.sendgrid.until(lambda: len(w.sendgrid.accepted) == 1)


class _Second(Service):
    """A second service in the same folder."""

    def __post_init__(self) -> None:
        self.log = self.folder / "second.log"

    @property
    def config(self) -> Path:
        return self.folder / "second.toml"


def _order(number: int) -> dict[str, object]:
    return track(number, "Order Completed", {"total": 1}, user=f"u{number}")


async def got(w: World, path: str, **headers: str) -> tuple[int, str]:
    """Status and text of an admin page."""
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{w.service.admin_url}{path}", headers=headers) as answer,
    ):
        return answer.status, await answer.text()


class TestHealth:
    """`/healthz` and `/readyz`."""

    async def test_ready_means_our_own_trouble_only(self, tmp_path: Path) -> None:
        """An outage of SendGrid or a pause keeps it ready; a dead receiver does not."""
        async with world(tmp_path) as w:
            w.sendgrid.faults.script(["500"] * 20)
            await w.sender.deliver(_order(1))
            await w.settled(lambda s: s["sends"]["retry"] == 1)
            await w.service.command("pause", "mail", "--reason", "a test")
            assert 200 == (await got(w, "/readyz"))[0]
            assert (200, "ok\n") == await got(w, "/healthz")

            receiver = w.service.children()["receiver"]
            os.kill(receiver, signal.SIGSTOP)
            async with asyncio.timeout(10):
                while (await got(w, "/readyz"))[0] != 503:
                    await asyncio.sleep(0.05)
            _, text = await got(w, "/readyz")
            checks = {"receiver": False, "loops": True, "store": True}
            assert {"ready": False, "checks": checks} == json.loads(text)
            assert 200 == (await got(w, "/healthz"))[0]
            os.kill(receiver, signal.SIGCONT)
            await w.service.ready()


class TestAdmin:
    """Who may read the admin pages."""

    async def test_a_password_or_token_opens_them(self, tmp_path: Path) -> None:
        """Either, whole, and nothing else; liveness is open to whoever asks."""
        extra = '[admin]\npassword = "${ADMIN_PASSWORD}"\ntoken = "${ADMIN_TOKEN}"'
        async with world(tmp_path, processes=1, extra=extra, start=False) as w:
            w.service.environ |= {"ADMIN_PASSWORD": "pass:wörd", "ADMIN_TOKEN": "a-token"}
            await w.service.launch()
            await eventually(lambda: "daemon.started" in w.service.log.read_text())
            basic = "Basic " + base64.b64encode("anyone:pass:wörd".encode()).decode()
            for given, expected in [
                (None, 401), (basic, 200), ("Bearer a-token", 200), ("bearer a-token", 200),
                ("Bearer pass:wörd", 200), ("Bearer ", 401), ("Bearer b-token", 401),
                ("Basic a-token", 401), ("Basic %%%", 401), ("Basic ", 401), ("a-token", 401),
                ("Bearer \udcff", 401), ("Digest x", 401),
            ]:  # fmt: skip
                status = await admin_status(w, "/metrics", given)
                assert expected == status, given
            assert 200 == await admin_status(w, "/healthz", None)
            assert 401 == await admin_status(w, "/readyz", None)
            assert 401 == await admin_status(w, "/no-such-page", None)

    async def test_a_page_of_the_wider_web_cannot_read_them(self, tmp_path: Path) -> None:
        """A name that was made to resolve to loopback is refused by the Host it brings."""
        async with world(tmp_path, processes=1) as w:
            hosts = {
                "evil.example": 403, f"evil.example:{w.service.admin}": 403, "127.0.0.1.evil": 403,
                "localhost.evil.example:80": 403, "": 403, "[::1": 403, "127.0.0.1": 200,
                f"localhost:{w.service.admin}": 200, "[::1]:8401": 200, "[::1]": 200,
                "LOCALHOST": 200,
            }  # fmt: skip
            for host, expected in hosts.items():
                assert expected == await admin_status(w, "/metrics", None, host=host), host

    async def test_any_loopback_address_checks_the_host(self, tmp_path: Path) -> None:
        """127.0.0.2 is as loopback as 127.0.0.1, and as much in reach of a rebound name."""
        async with world(tmp_path, processes=1, start=False) as w:
            w.service.edit('admin = "127.0.0.1', 'admin = "127.0.0.2')
            await w.service.launch()
            await eventually(lambda: "daemon.started" in w.service.log.read_text())
            for host, expected in {"evil.example": 403, "127.0.0.2:80": 200}.items():
                found = await admin_status(w, "/metrics", None, host=host, at="127.0.0.2")
                assert expected == found


async def admin_status(
    w: World, path: str, authorization: str | None, *, host: str = "127.0.0.1", at: str = ""
) -> int:
    """The status of an admin page, asked in raw bytes."""
    lines = [f"GET {path} HTTP/1.1", f"Host: {host}", "Connection: close"]
    lines += [] if authorization is None else [f"Authorization: {authorization}"]
    reader, writer = await asyncio.open_connection(at or "127.0.0.1", w.service.admin)
    writer.write("\r\n".join([*lines, "", ""]).encode("utf-8", "surrogateescape"))
    async with asyncio.timeout(10):
        answer = await reader.read()
    writer.close()
    return int(answer.split()[1])


Families = dict[str, Any]


async def metrics(w: World) -> Families:
    """The metric families of one scrape."""
    status, text = await got(w, "/metrics")
    assert 200 == status
    return {family.name: family for family in text_string_to_metric_families(text)}


def series(families: Families, name: str) -> dict[tuple[str, ...], float]:
    """Values of a family's samples by the values of their labels, in order of the labels."""
    return {
        tuple(value for _, value in sorted(one.labels.items())): one.value
        for one in families[name].samples
    }


class TestMetrics:
    """`/metrics`."""

    async def test_the_figures_are_those_of_stats(self, tmp_path: Path) -> None:
        """The same books, by the names of the design; every family explained and well named."""
        async with world(tmp_path) as w:
            for _ in range(2):
                await asyncio.gather(*(w.sender.deliver(_order(n)) for n in range(20)))
            await w.sender.deliver({"type": "nonsense"})
            await w.evaluated(41)
            await w.at_rest()
            await counted(w, ("200", "segment/default"), 41)
            families = await metrics(w)
            stats = await w.service.stats()

            assert_well_named(families)
            events = dict(stats["events"])
            assert {(): events.pop("received")} == series(families, "homing_events_received")
            assert {(): events.pop("duplicates")} == series(families, "homing_events_duplicate")
            assert {(state,): n for state, n in events.items()} == series(families, "homing_events")
            effects = {
                (kind, state): n for kind, by in stats["effects"].items() for state, n in by.items()
            }
            assert effects == series(families, "homing_effects")
            sends = {(state,): n for state, n in stats["sends"].items()}
            assert sends == series(families, "homing_sends")
            unknown = {(how,): n for how, n in stats["unknown"].items() if how != "total"}
            assert unknown == series(families, "homing_sends_unknown")
            assert 20 == stats["sends"]["accepted"]
            assert 20 == stats["events"]["duplicates"]

    async def test_labels_do_not_grow_with_hostile_input(self, tmp_path: Path) -> None:
        """10,000 event names, types and users, and 200 strange paths, make no new series."""
        async with world(tmp_path, processes=1) as w, aiohttp.ClientSession() as session:
            door = Door(w, session)
            await w.sender.deliver(_order(1), {"type": "odd"}, batch=True)
            for path in ("/segment", "/lost"):
                await door.post(b"", {}, path=path)
            await w.evaluated(1)
            await counted(w, ("401", "segment/default"), 1)
            before = _labelled(await metrics(w))
            names = [
                track(n, f"Name {n}", {}, user=f"user-{n}")
                | {"type": "track" if n % 2 else f"t{n}"}
                for n in range(10_000)
            ]
            for at in range(0, 10_000, 2_500):
                assert 200 == (await w.sender.deliver(*names[at : at + 2_500])).status
            for n in range(200):
                await door.post(b"", {"X-Signature": f"{n:040d}"}, path=f"/segment/source-{n}")
                await door.post(b"", {"X-Signature": f"{n:040d}"})
            await w.evaluated(5)
            await counted(w, ("401", "segment/default"), 201)
            assert before == _labelled(await metrics(w))


async def counted(w: World, key: tuple[str, str], n: int) -> None:
    """Wait until so many answers were counted: the receiver tells twice a second."""
    async with asyncio.timeout(10):
        while series(await metrics(w), "homing_ingest_requests").get(key) != n:
            await asyncio.sleep(0.05)


def _labelled(families: Families) -> set[tuple[str, str]]:
    return {
        (one.name, json.dumps(one.labels, sort_keys=True))
        for family in families.values()
        for one in family.samples
    }


def assert_well_named(families: Families) -> None:
    """Prometheus' rules: a help text, one prefix, base units, types said by suffix alone."""
    for name, family in families.items():
        assert re.fullmatch(r"(homing|process)_[a-z_]+", name), name
        assert family.documentation.strip(), name
        assert not re.search(r"_(ms|milliseconds|minutes|hours|kb|mb|count|total)$", name), name
        assert family.type in ("counter", "gauge"), name
        for one in family.samples:
            assert one.name == (f"{name}_total" if family.type == "counter" else name)
            assert one.value >= 0
