"""One rendering of a Liquid template: what its variables are, and how much it has worked."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from liquid import RenderContext
from liquid.expression import Expression
from liquid.template import BoundTemplate
from liquid.token import Token
from liquid.undefined import Undefined
from liquid.utils import ReadOnlyChainMap

from homing.core.mapping.errors import Refused
from homing.core.mapping.limits import LIQUID_VALUE_WORK, MAX_LIQUID_WORK
from homing.core.mapping.liquid.filters import CLOCKED_FILTERS, FILTERS
from homing.core.mapping.results import count_values
from homing.core.mapping.text import js_text
from homing.core.mapping.values import ABSENT, utf16_length, well_formed


def plain(value: object) -> object:
    """Turn what only the engine knows into values: undefined is `ABSENT`, ``empty`` is text."""
    if isinstance(value, str):
        return well_formed(value)
    if isinstance(value, Undefined):
        return ABSENT
    return "" if isinstance(value, Expression) else value


def spend_in(context: RenderContext, *values: object) -> None:
    """
    Count *values* as handled.

    Raises:
        Refused: It is more than `MAX_LIQUID_WORK` in this rendering.
    """
    if isinstance(context, Context):  # as every context is that renders a mapping
        context.spend(*values)


class Context(RenderContext):
    """The root, the template's own variables, and how much has been handled."""

    def __init__(self, template: BoundTemplate, **options: object) -> None:
        super().__init__(template, **options)  # type: ignore[arg-type]  # handed through
        # without the engine's own `now` and `today`, which ask the machine's clock
        self.scope = ReadOnlyChainMap(self.locals, self.globals, self.counters)
        self.work = 0

    def get(self, path: list[object], *, token: Token | None, default: object = ABSENT) -> object:
        """Read a variable along its path; the engine's undefined if it is missing."""
        name, *steps = path
        value = self.scope.get(name, ABSENT) if isinstance(name, str) else ABSENT
        for step in steps:
            value = _stepped(value, plain(step))
        if value is not ABSENT:
            return value
        return Undefined(js_text(name), token=token) if default is ABSENT else default

    def filter(self, name: str, token: Token | None) -> Callable[..., object]:
        """Give the filter as the engine calls it: values plain, work counted."""
        function = FILTERS[name]
        clock = {"now": _moment_of(self.globals)} if name in CLOCKED_FILTERS else {}

        def apply(*values: object, **named: object) -> object:
            given = [plain(value) for value in values]
            self.spend(*given)
            result = function(*given, **named, **clock)
            self.spend(result)
            return None if result is ABSENT else result

        return apply

    def spend(self, *values: object) -> None:
        """
        Count *values* as handled.

        Raises:
            Refused: It is more than `MAX_LIQUID_WORK` in this rendering.
        """
        self.work += sum(map(_size_of, values))
        if self.work > MAX_LIQUID_WORK:
            problem = f"it handles more than {MAX_LIQUID_WORK:,} characters of values"
            raise Refused(problem)


def _size_of(value: object) -> int:
    if isinstance(value, str):
        return len(value)
    if isinstance(value, range):
        return LIQUID_VALUE_WORK * (value.stop - value.start)  # its `len` may be out of bounds
    return LIQUID_VALUE_WORK * count_values(value)


def _stepped(value: object, step: object) -> object:
    """Go one step along a variable's path: ``products[0]``, ``.size``, ``.first``, ``.last``."""
    if isinstance(value, Mapping):
        name = js_text(step)
        return value.get(name, len(value) if name == "size" else ABSENT)
    if isinstance(value, str) and step in {"size", "length"}:
        return utf16_length(value)
    if isinstance(value, list | tuple | range):
        return _item(value, step)
    return _item(value, step) if isinstance(value, str) else ABSENT


def _item(items: list[object] | tuple[object, ...] | range | str, step: object) -> object:
    if step in {"size", "length"}:
        return len(items)
    index = {"first": 0, "last": -1}.get(step, step) if isinstance(step, str) else step
    if isinstance(index, str) and index.isascii() and index.isdigit() and len(index) < 10:
        index = int(index)
    if not isinstance(index, int) or not -len(items) <= index < len(items):
        return ABSENT
    return items[index]


def _moment_of(root: Mapping[str, object]) -> object:
    send = root.get("send")
    moments = [send.get("time")] if isinstance(send, Mapping) else []
    moments += [root.get("receivedAt"), root.get("timestamp")]
    return next((moment for moment in moments if isinstance(moment, str)), None)
