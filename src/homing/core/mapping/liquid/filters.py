"""
The filters of Liquid, with the meaning they have in LiquidJS, which Segment runs.

The engine counts what goes into a filter and what comes out; only a filter that can give far more
than it takes looks at its own result beforehand.
"""

from __future__ import annotations

from typing import Final

from homing.core.mapping.liquid import dates
from homing.core.mapping.liquid.coerce import Filter
from homing.core.mapping.liquid.text_filters import TEXT_FILTERS
from homing.core.mapping.liquid.value_filters import VALUE_FILTERS

CLOCKED_FILTERS: Final[dict[str, Filter]] = {
    "date": dates.date,
    "date_to_xmlschema": dates.date_to_xmlschema,
    "date_to_rfc822": dates.date_to_rfc822,
    "date_to_string": dates.date_to_string,
    "date_to_long_string": dates.date_to_long_string,
}
"""Filters that also take ``now``, the event's own time."""

FILTERS: Final[dict[str, Filter]] = {**TEXT_FILTERS, **VALUE_FILTERS, **CLOCKED_FILTERS}
"""All filters by name."""

DISABLED_FILTERS: Final = frozenset(
    {
        "array_to_sentence_string", "concat", "find", "find_exp", "find_index", "find_index_exp",
        "group_by", "group_by_exp", "has", "has_exp", "map", "newline_to_br", "reject",
        "reject_exp", "reverse", "sort", "sort_natural", "uniq", "where_exp", "type",
        "sample",  # ours, not Segment's: chance would make one event give two values
    }
)  # fmt: skip
"""Filters that LiquidJS has and a mapping may not use (Segment: ``liquid-directive.ts``)."""
