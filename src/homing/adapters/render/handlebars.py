"""
Handlebars as SendGrid's dynamic templates speak it.

The engine is the real Handlebars.js in QuickJS, with SendGrid's helpers (``sendgrid.js``), so that
what is previewed here is what is sent there. It reaches no file and no network.
Rendering is CPU work and releases the GIL: call it from an executor, not from the event loop.
"""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Final, TypeVar

import orjson
import quickjs

from homing.core.errors import HomingError

T = TypeVar("T")

TEMPLATE_CHARS: Final = 1_000_000  # SendGrid's own limit of a template version is about 1 MB
COMPILE_LIMIT_S: Final = 2.0  # once per template; 0.1 ms a tag
STACK_BYTES: Final = 2 * 1024 * 1024  # of a thread's 8 MB; more than 150 nested blocks
CACHED_TEMPLATES: Final = 64
CACHED_CHARS: Final = 256_000  # compiled, a dense template takes 80 bytes a character


class RenderError(HomingError):
    """
    The template, or what it makes of this data, cannot be rendered.

    ``line`` counts from 1 and is None where the engine does not know it.
    """

    def __init__(self, message: str, *, line: int | None = None) -> None:
        super().__init__(message if line is None else f"line {line}: {message}")
        self.line = line


@dataclass(frozen=True, slots=True)
class Need:
    """
    Something that a template shows, or hands to a helper that shows it.

    ``path`` is from the root, ``items[].name`` of the elements of a list. It is needed only where
    every path of ``given`` is there: those of the blocks around it that ask for them. What is
    ``conditional`` stands in a block that asks for something else. ``line`` counts from 1.
    """

    path: str
    given: tuple[str, ...]
    conditional: bool
    line: int

    def is_missing(self, data: Mapping[str, object]) -> bool:
        """Tell whether it is needed with *data*, and absent or null there."""
        if self.path in self.given or any(_is_falsy(data, path) for path in self.given):
            return False
        return _is_absent(data, self.path.split("."))


@dataclass(frozen=True, slots=True)
class Inspection:
    """What can be known of a template without data; ``problems`` make SendGrid drop the mail."""

    reads: tuple[str, ...]
    needs: tuple[Need, ...]
    problems: tuple[str, ...]


class HandlebarsRenderer:
    """
    Renders templates within limits; safe to share between threads.

    Every thread that renders gets an engine of its own (10 ms, 1 MB) and keeps it, with its
    compiled templates. An engine that ran into a limit is thrown away.

    Args:
        time_limit_s: CPU seconds a render may take. The engine reads the process's CPU clock, so
            other busy threads use it up too.

        memory_limit_bytes: What an engine may hold, compiled templates included.

        max_output: Characters a render may return.
    """

    def __init__(
        self,
        time_limit_s: float = 0.2,
        memory_limit_bytes: int = 64 * 1024 * 1024,
        max_output: int = 1_000_000,
    ) -> None:
        self._limits = _Limits(time_limit_s, memory_limit_bytes, max_output)
        self._local = threading.local()

    def render(self, template: str, data: Mapping[str, object], *, escape: bool = True) -> str:
        """
        Render *template* with *data* as its root.

        Args:
            template: Handlebars text. What SendGrid lacks (``{{#with}}``, partials, ``lookup``,
                ``log``, unknown helpers) is an error even where this data would not reach it:
                SendGrid shows nothing or drops the mail there, and says so to nobody.

            data: JSON values.

            escape: False leaves ``{{x}}`` as it is: for plain text, never for HTML.

        Raises:
            RenderError: Bad template, bad data, or a limit.
        """
        return self._run(lambda engine: engine.render(template, _json(data), escape=escape))

    def variables(self, template: str) -> frozenset[str]:
        """
        List the paths *template* reads from the root of the data, such as ``order.total``.

        What it reads of the elements of a list is in `missing` only.

        Raises:
            RenderError: The template does not parse.
        """
        return frozenset(_root_path(path) for path in self._inspect(template)["reads"]) - {""}

    def missing(self, template: str, data: Mapping[str, object]) -> frozenset[str]:
        """
        List the paths *template* reads that are absent from *data*, or null.

        ``items[].name`` means: some element of ``items`` has no ``name``.

        Raises:
            RenderError: The template does not parse.
        """
        reads: list[str] = self._inspect(template)["reads"]
        return frozenset(path for path in reads if _is_absent(data, path.split(".")))

    def warnings(self, template: str, *, subject: bool = False) -> tuple[str, ...]:
        """
        List, in order of line, what would fail in sent mail, and what is easily got wrong.

        *subject* says that the template is a subject line, which SendGrid escapes as HTML.

        Raises:
            RenderError: The template does not parse.
        """
        found = self._inspect(template, subject=subject)
        remarks = sorted(found["problems"] + found["warnings"], key=lambda remark: remark["line"])
        return tuple(
            dict.fromkeys(f"line {remark['line']}: {remark['text']}" for remark in remarks)
        )

    def inspected(self, template: str) -> Inspection:
        """
        List what *template* reads and needs of the data, and what would fail in sent mail.

        Raises:
            RenderError: The template does not parse.
        """
        found = self._inspect(template)
        needs = (
            Need(one["path"], tuple(one["given"]), one["is_conditional"], one["line"])
            for one in found["needs"]
        )
        problems = (f"line {one['line']}: {one['text']}" for one in found["problems"])
        return Inspection(tuple(found["reads"]), tuple(needs), tuple(dict.fromkeys(problems)))

    def _inspect(self, template: str, *, subject: bool = False) -> dict[str, Any]:
        return self._run(lambda engine: engine.inspect(template, subject=subject))

    def _run(self, work: Callable[[_Engine], T]) -> T:
        engine: _Engine | None = getattr(self._local, "engine", None)
        if engine is None:
            engine = self._local.engine = _Engine(self._limits)
        try:
            return work(engine)
        except _LimitReached:
            del self._local.engine
            raise


@dataclass(frozen=True, slots=True)
class _Limits:
    time_s: float
    memory_bytes: int
    max_output: int


class _LimitReached(RenderError):
    """What the engine holds now is not worth keeping."""


class _Engine:
    """One QuickJS runtime. Only the thread that made it may call it."""

    def __init__(self, limits: _Limits) -> None:
        self._limits = limits
        self._context = quickjs.Context()
        for source in _sources():
            self._context.eval(source)
        self._context.set_memory_limit(limits.memory_bytes)
        self._context.set_max_stack_size(STACK_BYTES)
        self._compile = self._context.eval("homing.compile")
        self._inspect = self._context.eval("homing.inspect")
        self._compiled: OrderedDict[tuple[str, bool], Any] = OrderedDict()
        self._chars = 0

    def render(self, template: str, data: str, *, escape: bool) -> str:
        render = self._compiled_of(template, escape=escape)
        output: str = self._call(self._limits.time_s, render, data)
        return output

    def inspect(self, template: str, *, subject: bool) -> dict[str, Any]:
        text = self._call(COMPILE_LIMIT_S, self._inspect, _checked(template), subject)
        found: dict[str, Any] = orjson.loads(text)
        return found

    def _compiled_of(self, template: str, *, escape: bool) -> Any:  # noqa: ANN401  # a JS function
        key = (template, escape)
        render = self._compiled.get(key)
        if render is not None:
            self._compiled.move_to_end(key)
            return render
        args = (_checked(template), escape, self._limits.max_output)
        render = self._call(COMPILE_LIMIT_S, self._compile, *args)
        self._compiled[key] = render
        self._chars += len(template)
        self._forget_oldest()
        return render

    def _forget_oldest(self) -> None:
        while len(self._compiled) > 1 and (
            len(self._compiled) > CACHED_TEMPLATES or self._chars > CACHED_CHARS
        ):
            (template, _), _ = self._compiled.popitem(last=False)
            self._chars -= len(template)

    def _call(self, limit_s: float, function: Callable[..., Any], *args: object) -> Any:  # noqa: ANN401  # JS
        self._context.set_time_limit(limit_s)
        try:
            return function(*args)
        except quickjs.StackOverflow as error:
            message = "nested too deeply"
            raise _LimitReached(message) from error
        except quickjs.JSException as error:
            raise _render_error(str(error), limit_s, self._limits) from error


@cache
def _sources() -> tuple[str, ...]:
    folder = files("homing.adapters.render")
    names = ("vendor/handlebars-4.7.10.min.js", "sendgrid.js")
    return tuple(folder.joinpath(name).read_text(encoding="utf-8") for name in names)


_UNREADABLE: Final = re.compile("[\0\ud800-\udfff]")


def _checked(template: str) -> str:
    if len(template) > TEMPLATE_CHARS:
        message = f"the template is longer than {TEMPLATE_CHARS} characters"
        raise RenderError(message)
    # The lexer takes NUL for the end; half a surrogate pair cannot cross to the engine.
    if found := _UNREADABLE.search(template):
        line = template.count("\n", 0, found.start()) + 1
        message = f"the template contains {found[0]!a}"
        raise RenderError(message, line=line)
    return template


def _json(data: Mapping[str, object]) -> str:
    try:
        return orjson.dumps(data, default=_plain).decode()
    except TypeError as error:  # orjson's for every value that is not JSON
        message = f"the data is not JSON: {error}"
        raise RenderError(message) from error


def _plain(value: object) -> dict[Any, Any]:
    if isinstance(value, Mapping):
        return dict(value)
    message = f"{type(value).__name__} is no JSON value"
    raise TypeError(message)


_PARSE_ERROR: Final = re.compile(
    r"Error: (?:Parse|Lexical) error on line (\d+)[:.][^\n]*\n(?P<near>[^\n]*)\n(?P<to>-*\^)"
    r"(?:\nExpecting .*, got '(?P<got>\w+)')?"
)
_LOCATED: Final = re.compile(r"Error: (.*) - (\d+):\d+$", re.DOTALL)


def _render_error(text: str, limit_s: float, limits: _Limits) -> RenderError:
    """Translate what the engine threw; *text* is its message with a stack trace below."""
    message = text.split("\n    at ", 1)[0].strip()
    if message == "InternalError: interrupted":
        return _LimitReached(f"took longer than {limit_s:g} s of CPU time")
    if message in ("InternalError: out of memory", "null"):
        return _LimitReached(f"needs more than {limits.memory_bytes // 1024**2} MiB of memory")
    if found := _PARSE_ERROR.match(message):
        near = found["near"][: len(found["to"])].removeprefix("...")
        what = "the template ends too early" if found["got"] == "EOF" else "cannot be read"
        return RenderError(f"{what} after {near[-30:]!r}", line=int(found[1]))
    if found := _LOCATED.match(message):
        return RenderError(found[1], line=int(found[2]))
    return RenderError(message.removeprefix("Error: "))


def _root_path(path: str) -> str:
    """``items[].name``, ``items.0.name`` and ``items.length`` all read ``items`` of the root."""
    steps: list[str] = []
    for step in path.split("."):
        if step.isdigit() or step == "length":
            break
        steps.append(step.removesuffix("[]"))
        if step.endswith("[]"):
            break
    return ".".join(steps)


def _is_absent(value: object, steps: list[str]) -> bool:
    """Whether *steps*, such as ``["items[]", "name"]``, lead to nothing from *value*."""
    if not steps:
        return value is None
    name, rest = steps[0], steps[1:]
    if name.endswith("[]"):
        inner = _child(value, name[:-2])
        return inner is None or any(_is_absent(element, rest) for element in _elements(inner))
    if name == "length" and isinstance(value, (list, tuple, str)):
        return False
    return _is_absent(_child(value, name), rest)


def _is_falsy(data: object, path: str) -> bool:
    """Whether ``{{#if path}}`` shows nothing; of the elements of a list: of some."""
    if "[]" in path:
        return _is_absent(data, path.split("."))
    for step in path.split("."):
        data = _child(data, step)
    return not data


def _child(value: object, name: str) -> object:
    if isinstance(value, Mapping):
        return value.get(name)
    if isinstance(value, (list, tuple)) and name.isdigit() and int(name) < len(value):
        return value[int(name)]
    return None


def _elements(value: object) -> list[object]:
    """What ``{{#each}}`` goes over."""
    if isinstance(value, Mapping):
        return list(value.values())
    return list(value) if isinstance(value, (list, tuple)) else []
