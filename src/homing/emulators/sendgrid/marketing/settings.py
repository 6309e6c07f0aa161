"""What can be set on the emulated marketing side."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

#: How the files of an export are compressed: as gzip files (as they are seen to be), with a
#: ``Content-Encoding``, or not at all. Which one SendGrid uses is not documented.
Packing: TypeAlias = Literal["gzip-file", "gzip-encoding", "plain"]


@dataclass(frozen=True, slots=True)
class MarketingSettings:
    """
    How the marketing side behaves; the defaults suit tests. Times in seconds.

    Args:
        job_after_s: From a request to its effect (SendGrid: seconds to hours).

        visible_after_s: From a job's end until searches and exports find the
            contacts that it created.

        export_after_s: From a request to the files.

        file_expires_s: How long an export's or a job's file can be read
            (SendGrid: 72 h).

        export_file_rows: Rows a file at most, so that few contacts make several files.

        export_packing: How the files are compressed.

        most_lists_a_page: Rows a page at most, whatever was asked for (SendGrid: 1,000).
    """

    job_after_s: float = 0.05
    visible_after_s: float = 0.0
    export_after_s: float = 0.05
    file_expires_s: float = 72 * 3600.0
    export_file_rows: int = 100_000
    export_packing: Packing = "gzip-file"
    most_lists_a_page: int = 1_000
