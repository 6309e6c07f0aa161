"""
Conditions: Segment's FQL, the dialect of destination filters, with ``did()`` and audiences added.

``parse`` once at load; ``Condition.holds`` per event.

Source: Segment docs, "Destination Filter Query Language".
"""

from homing.core.fql.condition import Condition, parse
from homing.core.fql.errors import FqlError
from homing.core.fql.explain import Explanation
from homing.core.fql.facts import Did, Facts

__all__ = [
    "Condition",
    "Did",
    "Explanation",
    "Facts",
    "FqlError",
    "parse",
]
