"""``homing`` itself: its start, its errors, its exit codes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.cli.conftest import Command, homing

from homing.cli.main import COMMANDS, config_path, exit_code_of
from homing.cli.reach import store_path
from homing.config import find_config, load
from homing.core.errors import HomingError
from homing.processes.control import NotRunning, Refused

HEAVY = ("pydantic", "aiohttp", "asyncio", "apsw", "rich", "sqlite_utils", "structlog", "sendgrid")


def modules_after(*args: str) -> set[str]:
    """Every module that a command imported."""
    code = f"import sys; sys.argv = ['homing', *{args!r}]\n"
    code += "from homing.cli.main import run\nrun()\nprint(*sys.modules, sep='\\n')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return {line.split(".")[0] for line in done.stdout.splitlines()}


class TestStart:
    def test_help_lists_every_command(self) -> None:
        """`homing --help` has a line for each."""
        done = homing(Path.cwd(), "--help")

        assert 0 == done.code
        assert [] == [name for name in COMMANDS if f"\n  {name} " not in done.out]

    def test_help_imports_nothing_heavy(self) -> None:
        """Start-up is part of a command's speed."""
        assert set() == modules_after("--help").intersection(HEAVY)

    def test_trying_an_expression_imports_nothing_heavy(self, tmp_path: Path) -> None:
        """An editor may ask at every key."""
        event = tmp_path / "event.json"
        event.write_text('{"event": "A"}')

        tried = modules_after("try", "--when", 'event = "A"', str(event))

        assert set() == tried.intersection(HEAVY)

    @pytest.mark.parametrize("args", [("events",), ("stats", "--json"), ("--help",)])
    def test_a_reader_that_goes_away_is_no_error(self, filled: Path, args: tuple[str, ...]) -> None:
        """As of `homing events | head`: quietly, and as a shell says it of SIGPIPE."""
        ours, theirs = os.pipe()
        os.close(ours)
        done = subprocess.run(
            [sys.executable, "-m", "homing", *args], cwd=filled, stdout=theirs,
            stderr=subprocess.PIPE, timeout=60, check=False,
            env={**os.environ, "HOMING_CONFIG": str(filled / "homing.toml")},
        )  # fmt: skip
        os.close(theirs)

        assert (141, b"") == (done.returncode, done.stderr)

    def test_a_missing_secret_is_said_once(self, tmp_path: Path) -> None:
        """By `serve`, as the error it is; the other warnings stand before it."""
        (tmp_path / "homing.toml").write_text(
            "[segment]\nwrite_key = '${NOT_THERE}'\n[segment.source.web]\n"
        )
        done = homing(tmp_path, "serve")

        assert 78 == done.code
        assert 1 == done.err.count("NOT_THERE")
        assert ["warning", "warning", "error"] == [
            line.partition(":")[0] for line in done.err.splitlines()
        ]

    def test_an_unknown_command_is_a_usage_error(self) -> None:
        """Exit 2, on standard error."""
        done = homing(Path.cwd(), "nonsense")

        assert 2 == done.code
        assert "" == done.out
        assert "No such command" in done.err


class TestErrors:
    def test_no_configuration_is_78(self, tmp_path: Path) -> None:
        """The file that was looked for is named."""
        done = homing(tmp_path, "sends")

        assert 78 == done.code
        assert "homing.toml" in done.err

    def test_no_store_is_69(self, tmp_path: Path) -> None:
        """Nothing ran yet."""
        (tmp_path / "homing.toml").write_text("")

        done = homing(tmp_path, "sends")

        assert 69 == done.code
        assert "`homing serve` makes it" in done.err

    @pytest.mark.parametrize("content", [b"", b"not a database at all" * 100])
    def test_a_store_that_is_none_is_said_to_be_none(self, tmp_path: Path, content: bytes) -> None:
        """No traceback, whatever lies in its place."""
        (tmp_path / "homing.toml").write_text("")
        (tmp_path / "homing.db").write_bytes(content)

        done = homing(tmp_path, "events")

        assert done.code in (65, 69)
        assert "Traceback" not in done.err

    @pytest.mark.parametrize("command", ["people", "events", "sends", "why"])
    def test_a_name_that_is_no_text(self, filled: Path, command: str) -> None:
        """Bytes that are not UTF-8: no traceback."""
        done = subprocess.run(
            [sys.executable.encode(), b"-m", b"homing", command.encode(), b"\xff\xfe"],
            cwd=filled, capture_output=True, check=False,
        )  # fmt: skip

        assert done.returncode in (1, 2)
        assert b"Traceback" not in done.stderr

    def test_what_cannot_be_read_is_74(self, look: Command, tmp_path: Path) -> None:
        """An I/O error of the system's."""
        assert 74 == look("preview", "own", "--event", tmp_path / "absent.json").code

    def test_a_broken_configuration_keeps_nobody_from_pausing(self, copy: Path) -> None:
        """The store is found by `[store] url` alone."""
        config = copy / "homing.toml"
        config.write_text(config.read_text() + '\n[route.broken]\nwhen = "event ="\n')

        done = homing(copy, "pause", "mail")

        assert (0, "") == (done.code, done.err)

    @pytest.mark.parametrize(
        ("error", "code"),
        [
            (HomingError("x"), 1),
            (NotRunning("x"), 69),
            (Refused("x", "NotPossible"), 1),
            (Refused("x", "ConfigError"), 78),
            (Refused("x", "StoreFull"), 74),
        ],
    )
    def test_a_refusal_by_the_service_has_the_code_of_what_it_refused_for(
        self, error: HomingError, code: int
    ) -> None:
        """It makes no difference who found out."""
        assert code == exit_code_of(error)


class TestConfigPath:
    @pytest.mark.parametrize("option", [None, Path("given.toml"), Path("/absolute.toml")])
    @pytest.mark.parametrize("environ", ["", "from-environ.toml", "/absolute-too.toml"])
    def test_is_found_as_the_service_finds_it(
        self, option: Path | None, environ: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """One rule, written twice for speed."""
        monkeypatch.setenv("HOMING_CONFIG", environ)

        assert find_config(option, {"HOMING_CONFIG": environ}, Path.cwd()) == config_path(option)


class TestStorePath:
    @pytest.mark.parametrize(
        "text",
        [
            "",
            '[store]\nurl = "sqlite:a.db"\n',
            '[store]\nurl = "sqlite:/var/lib/homing/a b.db"\n',
            '[store]\nurl = "sqlite:odd%.db"\n',
            'include = ["more.toml"]\n',
        ],
    )
    def test_is_where_the_service_has_it(self, tmp_path: Path, text: str) -> None:
        """Whether or not the whole configuration had to be read."""
        config = tmp_path / "homing.toml"
        config.write_text(text)
        (tmp_path / "more.toml").write_text('[store]\nurl = "sqlite:included.db"\n')

        assert load(config, environ={}).store_path == store_path(config)

    @pytest.mark.parametrize("text", ["[store", "[store]\nurl = 7\n", '[store]\nurl = "x:y"\n'])
    def test_what_cannot_be_told_is_78(self, tmp_path: Path, text: str) -> None:
        """With the reason."""
        (tmp_path / "homing.toml").write_text(text)

        assert 78 == homing(tmp_path, "sends").code

    def test_a_store_that_is_not_run_is_78(self, tmp_path: Path) -> None:
        """PostgreSQL is checked, and not run."""
        (tmp_path / "homing.toml").write_text('[store]\nurl = "postgresql://localhost/homing"\n')

        assert 78 == homing(tmp_path, "sends").code


class TestCompletion:
    @pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
    def test_a_script_for_each_shell(self, shell: str) -> None:
        """It completes `homing`."""
        done = homing(Path.cwd(), "completion", shell)

        assert 0 == done.code
        assert "_HOMING_COMPLETE" in done.out

    def test_commands_are_completed(self) -> None:
        """What the script asks for is answered."""
        done = homing(
            Path.cwd(),
            environ={
                "_HOMING_COMPLETE": "bash_complete",
                "COMP_WORDS": "homing se",
                "COMP_CWORD": "1",
            },
        )

        assert {"plain,serve", "plain,sends", "plain,send-test"} == set(done.out.split())
