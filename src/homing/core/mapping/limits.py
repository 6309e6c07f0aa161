"""
How much one mapping may do.

Segment bounds Liquid by a clock (500 ms) and memory (100 MB); the core has no clock, so that the
same event gives the same result everywhere: what is bounded here is the work itself.
"""

from __future__ import annotations

from typing import Final

MAX_MAPPING_DEPTH: Final = 64
"""Steps into a mapping, directives and their slots included."""

MAX_DEPTH: Final = 128
"""Objects and lists a result may nest: 64 of an event within 64 of a mapping."""

MAX_VALUES: Final = 250_000
"""Values in a result, and items of a list that `@arrayPath` walks."""

MAX_TEXT: Final = 8 * 1024 * 1024
"""Characters in a result, keys included: as many as the largest request accepted by default."""

MAX_GIVEN_TEXT: Final = 10_000
"""Characters of a path or template that comes from the event (``{"@path": {"@path": …}}``)."""

MAX_REPLACE_TEXT: Final = 10
"""Characters of a pattern or replacement of `@replace` (Segment's limit)."""

MAX_LIQUID_TEMPLATE: Final = 1_000
"""Characters of a Liquid template (Segment's limit)."""

MAX_LIQUID_OUTPUT: Final = 1_000_000
"""Bytes of UTF-8 a Liquid template may print, and that one `capture` may hold."""

MAX_LIQUID_WORK: Final = 1_000_000
"""Characters that all filters and comparisons of one rendering may take and give."""

LIQUID_VALUE_WORK: Final = 16
"""What one value in a list or object counts for, in characters: it takes about as long."""
