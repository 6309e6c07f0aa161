"""The unit files, checked by systemd's own tools and against the supervisor's limits."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from homing.processes.service import Limits

ROOT = Path(__file__).parents[2]
UNITS = ROOT / "systemd"
SERVICE = (UNITS / "homing.service").read_text()
SOCKET = (UNITS / "homing.socket").read_text()
RECIPE = (ROOT / "docs/how-to/install-systemd.md").read_text()

needs_systemd_analyze = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed"
)


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ("systemd-analyze", *arguments), capture_output=True, text=True, timeout=60, check=False
    )


def values(unit: str, key: str) -> list[str]:
    return re.findall(rf"^{key}=(.*)$", unit, re.MULTILINE)


@pytest.fixture
def installed(tmp_path):
    """Copies of the units whose program exists on this machine."""
    (tmp_path / "homing.service").write_text(SERVICE.replace("/opt/homing/bin/homing", "/bin/true"))
    (tmp_path / "homing.socket").write_text(SOCKET)
    return [os.fspath(tmp_path / name) for name in ("homing.service", "homing.socket")]


@needs_systemd_analyze
class TestAnalyze:
    def test_verify_finds_nothing_to_say(self, installed):
        """
        No unknown key, no bad value.
        """
        done = analyze("verify", *installed)

        assert (0, []) == (
            done.returncode,
            [line for line in done.stderr.split("\n") if "homing" in line],
        )

    def test_the_exposure_is_at_most_1_5(self, installed):
        """
        The threshold is ten times the exposure; an unprotected unit has 9.6.
        """
        done = analyze("security", "--offline=true", "--threshold=15", installed[0])

        assert 0 == done.returncode, done.stdout


class TestService:
    def test_systemd_waits_longer_than_the_supervisor(self):
        """
        The one who knows more acts first: stops in order, restarts the one that hangs.
        """
        limits = Limits()
        (stop_s,), (watchdog_s,) = values(SERVICE, "TimeoutStopSec"), values(SERVICE, "WatchdogSec")

        assert int(stop_s) > limits.grace_s
        assert int(watchdog_s) / 2 >= limits.hang_after_s

    def test_the_socket_has_the_name_the_supervisor_looks_for(self):
        """
        Without it systemd would call it homing.socket.
        """
        assert ["public"] == values(SOCKET, "FileDescriptorName")

    def test_a_missing_secret_does_not_keep_the_service_from_starting(self):
        """
        Relative paths are searched in the credential store and skipped when absent.
        """
        credentials = [one.split(":") for one in values(SERVICE, "LoadCredential")]

        assert credentials
        assert all(path == f"homing.{name}" for name, path in credentials)


class TestRecipe:
    @pytest.mark.parametrize(
        "name", [one.split(":")[0] for one in values(SERVICE, "LoadCredential")]
    )
    def test_it_names_every_credential(self, name):
        """
        Whoever installs knows what each file is for.
        """
        assert f"`{name}`" in RECIPE

    def test_its_paths_are_those_of_the_unit(self):
        """
        Program, configuration, user, units.
        """
        (command,) = values(SERVICE, "ExecStart")
        (user,) = values(SERVICE, "User")

        for text in (
            command.split()[0],
            command.split()[-1],
            f"u {user} ",
            "/etc/credstore/homing.",
        ):
            assert text in RECIPE
        assert "/var/lib/homing/homing.db" in RECIPE
