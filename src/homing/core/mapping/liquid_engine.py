"""
Liquid: parsed and run by python-liquid, with LiquidJS's filters and Segment's limits.

Segment stops a template after 500 ms. Here there is no clock: without ``for`` a template of 1,000
characters takes each of its steps once, so it is enough to bound what the steps take and give.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Final, TextIO

from liquid import Environment, RenderContext
from liquid.ast import Node
from liquid.builtin import content, illegal
from liquid.builtin.expressions import FilteredExpression
from liquid.builtin.expressions.filtered import Filter as FilterNode
from liquid.builtin.expressions.logical import (
    ContainsExpression,
    GeExpression,
    GtExpression,
    LeExpression,
    LtExpression,
)
from liquid.builtin.output import Output, OutputNode
from liquid.builtin.tags import (
    assign_tag,
    capture_tag,
    comment_tag,
    cycle_tag,
    decrement_tag,
    echo_tag,
    if_tag,
    increment_tag,
    inline_comment_tag,
    liquid_tag,
    unless_tag,
)
from liquid.exceptions import LiquidError, LiquidSyntaxError
from liquid.expression import Expression
from liquid.stream import TokenStream
from liquid.tag import Tag
from liquid.template import BoundTemplate
from liquid.token import Token
from liquid.undefined import Undefined
from liquid.utils import ReadOnlyChainMap
