"""What `homing serve` asks of the supervisor: plain data, that fits into one argument."""

import json
from dataclasses import asdict, dataclass, field
from typing import Self

from homing.processes.restarts import Patience


@dataclass(frozen=True, slots=True)
class Limits:
    """
    How long the supervisor waits for what, in seconds.

    Args:
        grace_s: For both children together to stop, before SIGKILL. The receiver
            goes first and has the first half for itself.

        hang_after_s: A child that was ready and is silent for longer is killed
            and restarted; 0 never does that.

        reload_within_s: For both children to answer a reload.

        patience: With a child that dies again and again before it is ready.
    """

    grace_s: float = 20.0
    hang_after_s: float = 15.0
    reload_within_s: float = 30.0
    patience: Patience = field(default_factory=Patience)


@dataclass(frozen=True, slots=True)
class ServiceSpec:
    """
    The two processes of the service and where it listens.

    Args:
        receiver: Program and arguments of the receiver, which gets ``public``.

        worker: Program and arguments of the worker, which gets ``admin``.

        public: Address to listen on unless systemd passes a socket ``public``.

        admin: Address to listen on unless systemd passes a socket ``admin``.

        limits: How patient to be.
    """

    receiver: tuple[str, ...]
    worker: tuple[str, ...]
    public: str
    admin: str
    limits: Limits = field(default_factory=Limits)

    def to_json(self) -> str:
        """Write it as text, for `from_json` in another process."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """
        Read what `to_json` wrote.

        Raises:
            TypeError, KeyError, ValueError: It did not.
        """
        fields = json.loads(text)
        limits = fields["limits"]
        limits["patience"] = Patience(**limits["patience"])
        fields["limits"] = Limits(**limits)
        for name in ("receiver", "worker"):
            fields[name] = tuple(fields[name])
        return cls(**fields)
