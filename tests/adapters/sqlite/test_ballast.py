"""The file that is given up when the disk is full."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from homing.adapters.sqlite import ballast as module
from homing.adapters.sqlite.ballast import Ballast, ballast_path
from homing.adapters.sqlite.faults import StoreFull


class TestBallastPath:
    def test_state_and_log_share_one(self) -> None:
        """
        Both processes must look at the same file.
        """
        state = ballast_path(Path("/var/lib/homing.db"))

        assert Path("/var/lib/homing.ballast") == state
        assert state == ballast_path(Path("/var/lib/homing.log.db"))


class TestBallast:
    async def test_it_takes_its_room_until_it_is_released(self, tmp_path: Path) -> None:
        """
        The room is really taken, not just promised.
        """
        path = tmp_path / "b"
        ballast = Ballast(path, size=1 << 20)

        assert ballast.hold()
        assert ballast.is_held
        assert path.stat().st_blocks * 512 >= 1 << 20

        ballast.release()
        assert not ballast.is_held
        assert ballast.hold()
        ballast.close()

    async def test_the_other_process_sees_it(self, tmp_path: Path) -> None:
        """
        What one gives up is gone for both; what one takes back is back for both.
        """
        one, other = (Ballast(tmp_path / "b", size=4_096) for _ in range(2))
        one.hold()
        assert other.is_held

        other.release()
        assert not one.is_held
        one.hold()
        assert other.is_held
        other.close()

    async def test_without_room_it_is_not_held_and_leaves_nothing(self, tmp_path: Path) -> None:
        """
        A disk that has no room for it stays as it is.
        """
        ballast = Ballast(tmp_path / "b", size=1 << 60)

        assert not ballast.hold()
        assert not ballast.is_held
        assert [] == list(tmp_path.iterdir())

    async def test_none_at_all_counts_as_held(self, tmp_path: Path) -> None:
        """
        Who does without is never refused because of it.
        """
        ballast = Ballast(tmp_path / "b", size=0)
        ballast.hold()
        ballast.release()

        assert ballast.is_held
        assert [] == list(tmp_path.iterdir())

    async def test_it_comes_back_by_itself(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """
        Once there is room again, nobody need do anything.
        """
        monkeypatch.setattr(module, "TRY_AGAIN_S", 0.01)
        ballast = Ballast(tmp_path / "b", size=4_096)

        ballast.release()
        async with asyncio.timeout(5):
            while not ballast.is_held:
                await asyncio.sleep(0.005)
        ballast.close()

    async def test_it_is_spent_to_open_a_file_on_a_full_disk(self, tmp_path: Path) -> None:
        """
        Opening takes some room; without any, the ballast makes it.
        """
        ballast = Ballast(tmp_path / "b", size=4_096)
        ballast.hold()

        def opened() -> str:
            if ballast.is_held:
                raise StoreFull("no room")
            return "open"

        assert "open" == ballast.spent_on(opened)
        ballast.close()
