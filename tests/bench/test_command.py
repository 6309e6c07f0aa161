"""Tests of homing.cli.bench: the command."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import orjson
import pytest

from homing.bench.figures import Figure, Run, Series
from homing.cli.bench import amount, row_of

OURS = Series("ours", [Run(12_345.6, 1.234, 9.876)])


async def homing(*args: str, code: int = 0) -> tuple[str, str]:
    """Run `homing ARGS`; what it wrote to standard output and to standard error."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "homing", *args,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await process.communicate()
    assert code == process.returncode, err.decode()[-2_000:]
    return out.decode(), err.decode()


class TestBenchCommand:
    async def test_one_part_is_a_table_and_a_file(self, tmp_path: Path) -> None:
        """The table explains each figure; the file has them as JSON."""
        file = tmp_path / "bench.json"

        out, err = await homing(
            "bench", "--quick", "--only", "ceiling", "--folder", str(tmp_path), "--out", str(file)
        )

        assert out.startswith("FIGURE")
        assert "ceiling.256: the load generator itself" in out
        assert "" == err
        written = orjson.loads(file.read_bytes())
        assert ["ceiling.32", "ceiling.256"] == [figure["name"] for figure in written["figures"]]

    async def test_a_part_that_does_not_exist_is_a_usage_error(self) -> None:
        """The parts that do exist are named, and nothing is measured."""
        _, err = await homing("bench", "--only", "everything", code=2)

        assert "no part 'everything': expected one of ceiling, receive" in err


class TestRowOf:
    def test_a_figure_beside_its_reference(self) -> None:
        """As people read numbers."""
        figure = Figure("a.b", "requests/s", OURS, Series("theirs", [Run(20_000, 1.0, 2.0)]))

        row = row_of(figure)

        assert ("12,346", "9.88", "20,000", "2", "0.62") == (
            row["measured"], row["p99 ms"], row["reference"], row["its p99"], row["ratio"]
        )  # fmt: skip

    def test_a_figure_alone(self) -> None:
        """Has no ratio."""
        row = row_of(Figure("a.b", "requests/s", OURS, None))

        assert ("", "") == (row["reference"], row["ratio"])


class TestAmount:
    @pytest.mark.parametrize(
        ("value", "expected"),
        [
            (None, ""),
            (0.0, "0"),
            (0.1234, "0.123"),
            (99.94, "99.9"),
            (100.4, "100"),
            (1e6, "1,000,000"),
        ],
    )
    def test_three_digits_are_enough(self, value: float | None, expected: str) -> None:
        """Large numbers are whole."""
        assert expected == amount(value)
