"""What can be set on the Segment emulator beyond its address and keys."""

from dataclasses import dataclass

from homing.emulators.clock import Clock, wall_clock


@dataclass(frozen=True, slots=True)
class SegmentSettings:
    """
    The workspace that is emulated.

    Args:
        keep: How many of the newest messages, requests and profiles are kept.

        keep_ids: How many message ids duplicates are found among.

        slow_s: How late the fault ``slow`` answers.

        retry_after_s: What an answer 429 tells to wait; None leaves both headers out.

        profile_requests_per_s: What the Profile API takes of a space (Segment: 100).

        clock: Tells Unix time.
    """

    keep: int = 10_000
    keep_ids: int = 500_000
    slow_s: float = 2.0
    retry_after_s: int | None = 1
    profile_requests_per_s: int = 100
    clock: Clock = wall_clock
