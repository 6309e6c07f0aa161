"""Jobs: what a request asked for and is done later."""

import csv
import io
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Literal, TypeAlias

from homing.emulators.clock import Clock, utc_seconds_text
from homing.emulators.later import Later
from homing.emulators.sendgrid.marketing.downloads import Downloads

JobKind: TypeAlias = Literal["upsert", "delete"]

#: What may be said of jobs to come.
FATES: Final = ("ok", "failed")
UNPROCESSABLE: Final = "the job could not be processed"


class JobStatus(StrEnum):
    """Where a job is: `ERRORED` has errors in some rows, `FAILED` in all."""

    PENDING = "pending"
    COMPLETED = "completed"
    ERRORED = "errored"
    FAILED = "failed"


@dataclass(slots=True)
class Job:
    """
    One job.

    Args:
        requested: How many rows, or contacts, it is about. Those that are as
            they should be already are in no other count.

        errors: Address (or id) and reason of every row that could not be done.

        errors_path: Of the file with the errors.
    """

    id: str
    kind: JobKind
    requested: int
    started_at: float
    status: JobStatus = JobStatus.PENDING
    created: int = 0
    updated: int = 0
    deleted: int = 0
    errors: list[tuple[str, str]] = field(default_factory=list)
    errors_path: str | None = None
    finished_at: float | None = None

    def as_json(self, origin: str) -> dict[str, object]:
        """Show it as the API does; `origin` is where its files are."""
        shown: dict[str, object] = {
            "id": self.id,
            "status": self.status.value,
            "job_type": self.kind,
            "started_at": utc_seconds_text(self.started_at),
        }
        if self.finished_at is None:
            return shown
        return shown | {
            "results": self._results(origin),
            "finished_at": utc_seconds_text(self.finished_at),
        }

    def _results(self, origin: str) -> dict[str, object]:
        results: dict[str, object] = {"requested_count": self.requested}
        if self.kind == "upsert":
            results |= {"created_count": self.created, "updated_count": self.updated}
        else:
            results["deleted_count"] = self.deleted
        results["errored_count"] = len(self.errors)
        if self.errors_path is not None:
            results["errors_url"] = origin + self.errors_path
        return results


#: Do the job, and count on it what was done.
Work: TypeAlias = Callable[[Job], None]


class Jobs:
    """
    The account's jobs: each is pending, then done at once.

    Args:
        later: Where they wait.

        keep: How many of the newest are kept.
    """

    def __init__(self, later: Later, downloads: Downloads, *, clock: Clock, keep: int) -> None:
        #: Addresses whose rows a job cannot do, though the request was taken; may be changed.
        self.refused_addresses: set[str] = set()
        self._later = later
        self._downloads = downloads
        self._clock = clock
        self._keep = keep
        self._by_id: dict[str, Job] = {}
        self._fates: deque[str] = deque()
        self._pending: dict[str, Callable[[], None]] = {}

    @property
    def held(self) -> bool:
        """Whether jobs stay pending for now; may be switched at any time."""
        return self._later.held

    @held.setter
    def held(self, is_held: bool) -> None:
        self._later.held = is_held

    @property
    def idle(self) -> bool:
        """Whether no job is pending."""
        return self._later.idle

    def finish_all(self) -> None:
        """Let every pending job happen now, held or not."""
        self._later.do_all()

    def finish(self, job: Job) -> None:
        """
        Let one pending job happen now, before older ones: SendGrid promises no order.

        Raises:
            KeyError: It is not pending.
        """
        self._later.do(self._pending[job.id])

    def script(self, fates: Iterable[str]) -> None:
        """
        Say what becomes of the next jobs: ``"failed"`` does nothing of it, ``"ok"`` is nothing.

        Raises:
            ValueError: An unknown fate.
        """
        fresh = list(fates)
        for fate in fresh:
            if fate not in FATES:
                msg = f'unknown fate "{fate}" of a job. Known: {", ".join(FATES)}'
                raise ValueError(msg)
        self._fates.extend(fresh)

    def start(self, kind: JobKind, requested: int, work: Work) -> Job:
        """Take a job in; `work` is done later, in the order of the requests."""
        job = Job(str(uuid.uuid4()), kind, requested, self._clock())
        self._by_id[job.id] = job
        if len(self._by_id) > self._keep:
            del self._by_id[next(iter(self._by_id))]
        fate = self._fates.popleft() if self._fates else "ok"

        def run() -> None:
            self._finish(job, work if fate == "ok" else _fail)

        self._pending[job.id] = run
        self._later.add(run)
        return job

    def find(self, job_id: str) -> Job | None:
        """Find a job by its id."""
        return self._by_id.get(job_id)

    def _finish(self, job: Job, work: Work) -> None:
        del self._pending[job.id]
        work(job)
        job.finished_at = self._clock()
        job.status = _status_of(job)
        if job.errors:
            job.errors_path = self._downloads.put("errors.csv", _errors_csv(job), "text/csv")

    def __iter__(self) -> Iterator[Job]:
        return iter(self._by_id.values())

    def __len__(self) -> int:
        return len(self._by_id)


def _fail(job: Job) -> None:
    job.errors += [("", UNPROCESSABLE)] * max(1, job.requested)


def _status_of(job: Job) -> JobStatus:
    if not job.errors:
        return JobStatus.COMPLETED
    return JobStatus.ERRORED if len(job.errors) < job.requested else JobStatus.FAILED


def _errors_csv(job: Job) -> bytes:
    text = io.StringIO()
    rows = csv.writer(text)
    rows.writerow(("email", "error_message"))
    rows.writerows(job.errors)
    return text.getvalue().encode()
