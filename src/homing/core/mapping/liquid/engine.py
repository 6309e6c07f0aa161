"""
Liquid: parsed and run by python-liquid, with LiquidJS's filters and Segment's limits.

Segment stops a template after 500 ms. Here there is no clock: without loops a template of 1,000
characters takes each of its steps once, so it is enough to bound what the steps take and give.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, TextIO

from liquid import Environment, RenderContext
from liquid.builtin import content, illegal
from liquid.builtin.output import Output, OutputNode
from liquid.builtin.tags.assign_tag import AssignTag
from liquid.builtin.tags.capture_tag import CaptureTag
from liquid.builtin.tags.comment_tag import CommentTag
from liquid.builtin.tags.cycle_tag import CycleNode, CycleTag
from liquid.builtin.tags.decrement_tag import DecrementTag
from liquid.builtin.tags.echo_tag import EchoTag
from liquid.builtin.tags.if_tag import IfTag
from liquid.builtin.tags.increment_tag import IncrementTag
from liquid.builtin.tags.inline_comment_tag import InlineCommentTag
from liquid.builtin.tags.liquid_tag import LiquidTag
from liquid.builtin.tags.unless_tag import UnlessTag
from liquid.exceptions import LiquidError, LiquidSyntaxError
from liquid.stream import TokenStream
from liquid.tag import Tag
from liquid.template import BoundTemplate
from liquid.token import Token

from homing.core.mapping.errors import Refused
from homing.core.mapping.limits import MAX_LIQUID_OUTPUT, MAX_LIQUID_TEMPLATE
from homing.core.mapping.liquid.coerce import liquid_text
from homing.core.mapping.liquid.context import Context, plain, spend_in
from homing.core.mapping.liquid.filters import CLOCKED_FILTERS, FILTERS
from homing.core.mapping.liquid.syntax import compare_as_javascript, filters_of
from homing.core.mapping.parts import Part
from homing.core.mapping.values import ABSENT

DISABLED_TAGS: Final = ("case", "for", "include", "layout", "render", "tablerow")
"""Tags that LiquidJS has and a mapping may not use (Segment's list)."""


def compile_liquid(text: str) -> Part:
    """
    Compile a template; variables that are missing print nothing.

    ``"now"`` in the date filters is the event's own time: ``send.time``, else ``receivedAt``,
    else ``timestamp``.

    Raises:
        Refused: The template is too long, is not Liquid, or uses what is disabled; the part
            raises it when a rendering fails or passes a limit.
    """
    if len(text) > MAX_LIQUID_TEMPLATE:
        problem = f"{len(text):,} characters (at most {MAX_LIQUID_TEMPLATE:,})"
        raise Refused(problem)
    try:
        return _part_of(_parsed(text))
    except RecursionError as error:
        problem = "a condition that nests too deep"
        raise Refused(problem) from error


def _parsed(text: str) -> BoundTemplate:
    try:
        template = _ENVIRONMENT.from_string(text)
        compare_as_javascript(template)
    except _DisabledTag as error:
        problem = f"{error.message}{_position(error.token, text)}"
        raise Refused(problem) from error
    except LiquidError as error:
        problem = f"a syntax error: {error.message}{_position(error.token, text)}"
        raise Refused(problem) from error
    return template


def _part_of(template: BoundTemplate) -> Part:
    clocked = filters_of(template) & CLOCKED_FILTERS.keys()
    paths = _paths_of(template)
    return Part(_renderer(template), paths, constant=not paths and not clocked)


def _position(token: Token | None, text: str) -> str:
    if token is None or token.source != text or token.start_index < 0:
        return ""
    before = text[: token.start_index]
    return f" (line {before.count(chr(10)) + 1}, column {len(before) - before.rfind(chr(10))})"


def _renderer(template: BoundTemplate) -> Callable[[object], str]:
    def render(root: object) -> str:
        try:
            return template.render(root if isinstance(root, Mapping) else {})
        except Refused:
            raise
        except LiquidError as error:
            raise Refused(str(error.message)) from error
        except Exception as error:
            # another project's engine over a stranger's event: whatever it trips over, one value
            # has failed and the worker goes on
            problem = f"{type(error).__name__}: {error}"
            raise Refused(problem) from error

    return render


def _paths_of(template: BoundTemplate) -> frozenset[str]:
    paths: set[str] = set()
    for variables in template.analyze().globals.values():
        for variable in variables:
            # a step that is itself a variable is not known here, nor is what comes after it
            known = [step if isinstance(step, str | int) else None for step in variable.segments]
            known = known[: known.index(None)] if None in known else known
            paths.add(".".join(map(str, known)))
    return frozenset(paths)


class _OutputNode(OutputNode):
    """``{{ … }}`` and ``echo``, printing as LiquidJS does."""

    def render_to_output(self, context: RenderContext, buffer: TextIO) -> int:
        value = plain(self.expression.evaluate(context))
        if not isinstance(value, str):
            spend_in(context, value)
        return buffer.write(liquid_text(value))


class _CycleNode(CycleNode):
    """``cycle``, printing as LiquidJS does."""

    def render_to_output(self, context: RenderContext, buffer: TextIO) -> int:
        values = [plain(arg.evaluate(context)) for arg in self.args]
        group = plain(self.group.evaluate(context)) if self.group else ABSENT
        spend_in(context, values, group)
        texts = tuple(liquid_text(value) for value in values)
        return buffer.write(texts[context.cycle((liquid_text(group), texts), len(texts))])


class _Output(Output):
    node_class = _OutputNode


class _Echo(EchoTag):
    node_class = _OutputNode  # type: ignore[assignment]  # an EchoNode differs in its repr only


class _Cycle(CycleTag):
    node_class = _CycleNode


class _DisabledTag(LiquidSyntaxError):
    """The template uses a tag that Segment has switched off."""


class _Disabled(Tag):
    """A tag that is refused with its name."""

    block = False

    def parse(self, stream: TokenStream) -> _OutputNode:
        token = stream.current
        problem = f'the tag "{token.value}", which is disabled'
        raise _DisabledTag(problem, token=token)


class _Template(BoundTemplate):
    context_class = Context


class _Environment(Environment):
    template_class = _Template
    output_stream_limit = MAX_LIQUID_OUTPUT
    loop_iteration_limit = 1  # no tag that loops is left; should one appear, it does not run
    suppress_blank_control_flow_blocks = False
    shorthand_indexes = True
    logical_not_operator = True
    logical_parentheses = True

    def setup_tags_and_filters(self, *, extra: bool = False) -> None:
        for tag in _TAGS:
            self.add_tag(tag)
        for name in DISABLED_TAGS:
            self.tags[name] = _Disabled(self)
        self.filters.update(FILTERS)


_TAGS: Final[tuple[type[Tag], ...]] = (
    content.Literal, illegal.Illegal, _Output, _Echo, _Cycle, AssignTag, CaptureTag, CommentTag,
    DecrementTag, IfTag, IncrementTag, InlineCommentTag, LiquidTag, UnlessTag,
)  # fmt: skip
_ENVIRONMENT: Final = _Environment()
