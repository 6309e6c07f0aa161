"""The text side of a configuration: files read, includes merged, and where each value stands."""

from __future__ import annotations

import glob
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TypeAlias

from homing.config.positions import lines_of
from homing.config.problems import KEY, ConfigError, Finding, Loc, Problem, expected, shown
from homing.config.secrets import SecretRef

Values: TypeAlias = dict[str, object]

MAX_FILE_BYTES = 4_194_304
MAX_FILES = 1_000
MAX_DEPTH = 64

# A table so named is one thing: its keys may not be spread over files.
_NAMED = re.compile(
    r"(?:email|route|journey|list|audience|segment\.source|sendgrid\.webhook)\.[^.]+"
)
_TOML_PLACE = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)$")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]{1,100}", re.ASCII)


@dataclass(frozen=True)
class Source:
    """One file as read: *values* is the TOML's own, before anything else touched it."""

    path: Path
    text: str = field(repr=False)
    values: Values = field(repr=False)

    @cached_property
    def lines(self) -> Mapping[Loc, int]:
        """The line of each key, found only when a message needs one."""
        return lines_of(self.text)


@dataclass(frozen=True)
class Document:
    """
    All files of a configuration as one table.

    In *values* each text that is a secret reference has become a ``SecretRef`` that knows its key.
    *problems* are what keeps the files from being one table.
    """

    path: Path
    sources: tuple[Source, ...]
    values: Values = field(repr=False)
    problems: tuple[Problem, ...] = ()
    warnings: tuple[Finding, ...] = ()

    def problem(self, finding: Finding) -> Problem:
        """Tell where a finding stands: the file and line of the longest known part of its loc."""
        source, line = self._place(finding.loc)
        key = self.key(finding.loc)
        return Problem(source.path, key, line, finding.message.replace(KEY, key))

    def file_of(self, loc: Loc) -> Path:
        """Tell which file sets the value at *loc*."""
        return self._place(loc)[0].path

    def keys_at(self, loc: Loc) -> tuple[str, ...]:
        """List the keys of the table at *loc* in the order in which they were written."""
        table = reach(self.values, loc)
        return tuple(table) if isinstance(table, dict) else ()

    def _place(self, loc: Loc) -> tuple[Source, int | None]:
        for end in range(len(loc), 0, -1):
            for source in self.sources:
                line = source.lines.get(loc[:end])
                if line is not None:
                    return source, line
        return self.sources[0], None

    def key(self, loc: Loc) -> str:
        """
        Write *loc* as a person would: ``journey.cart.step.wait.hold``, ``suppression.opt_out[0]``.

        An item of a list goes by its ``id`` or ``name`` where it has one.
        """
        value: object = self.values
        text = ""
        for part in loc:
            value = _child(value, part)
            if isinstance(part, int):
                name = _item_name(value)
                text += f".{name}" if name else f"[{part}]"
            else:
                text += ("." if text else "") + quoted(part)
        return text


def quoted(part: str) -> str:
    """Write one key as TOML wants it: bare if it can be, else in quotes; a long one shortened."""
    return part if _BARE_KEY.fullmatch(part) else shown(part)


def read(path: Path) -> Document:
    """
    Read *path* and the files its ``include`` names.

    Raises:
        ConfigError: A file cannot be read, is no TOML, or is too large or too deep.
    """
    main = _read_source(path)
    warnings: list[Finding] = []
    sources = [main]
    for pattern in _patterns_of(main):
        found = [file for file in _matches(pattern, path.parent) if not _is_known(file, sources)]
        if not found:
            warnings.append(Finding(("include",), f"`{KEY}` {shown(pattern)} names no file"))
        sources += _read_all(found, limit=MAX_FILES - len(sources))
    values, problems = _merged(sources)
    return Document(
        path,
        tuple(sources),
        {key: _with_references(value, quoted(key)) for key, value in values.items()},
        tuple(problems),
        tuple(warnings),
    )


def _read_all(paths: list[Path], *, limit: int) -> list[Source]:
    """Read every file, so that one report names all that are broken."""
    if len(paths) > limit:
        raise _failure(paths[limit], f"expected at most {MAX_FILES} files")
    sources: list[Source] = []
    problems: list[Problem] = []
    for path in paths:
        try:
            sources.append(_read_source(path))
        except ConfigError as error:
            problems += error.problems
    if problems:
        raise ConfigError(problems)
    return sources


def _read_source(path: Path) -> Source:
    text = _read_text(path)
    try:
        values = tomllib.loads(text)
    except RecursionError:
        raise _failure(path, f"expected tables nested at most {MAX_DEPTH} deep") from None
    except ValueError as error:
        raise _not_toml(path, text, error) from None
    if _is_too_deep(values):
        raise _failure(path, f"expected tables nested at most {MAX_DEPTH} deep")
    return Source(path, text, values)


def _read_text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise _failure(path, f"expected a configuration file, got none: {error.strerror}") from None
    if len(raw) > MAX_FILE_BYTES:
        raise _failure(path, f"expected a file of at most {MAX_FILE_BYTES:,} bytes")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise _failure(path, "expected UTF-8 text, got other bytes", line=line) from None


def _failure(path: Path, message: str, *, line: int | None = None) -> ConfigError:
    return ConfigError([Problem(path, "", line, message)])


def _not_toml(path: Path, text: str, error: ValueError) -> ConfigError:
    message = str(error)
    place = _TOML_PLACE.search(message)
    line = None
    if place is not None:
        message = message[: place.start()]
        line = int(place[1]) if place[1] else text.count("\n") + 1
    return _failure(path, f"expected TOML, got something else: {message}", line=line)


def _is_too_deep(values: Values) -> bool:
    level: list[object] = [values]
    for _ in range(MAX_DEPTH):
        level = [child for value in level for _, child in _parts(value)]
        if not level:
            return False
    return True


def _patterns_of(main: Source) -> list[str]:
    """Read ``include``; what is wrong with it is left for the models to say."""
    include = main.values.get("include", [])
    if not isinstance(include, list) or not all(isinstance(entry, str) for entry in include):
        return []
    return include


def _matches(pattern: str, folder: Path) -> list[Path]:
    try:
        found = glob.glob(pattern, root_dir=folder, recursive=True)
    except (ValueError, re.error):  # a NUL in the pattern, a range the wrong way round
        return []
    return sorted(file for name in found if (file := folder / name).is_file())


def _is_known(file: Path, sources: list[Source]) -> bool:
    return any(file.resolve() == source.path.resolve() for source in sources)


def _merged(sources: list[Source]) -> tuple[Values, list[Problem]]:
    values: Values = {}
    problems: list[Problem] = []
    for index, source in enumerate(sources):
        for loc in _merge(values, source.values, ()):
            key = ".".join(map(quoted, loc))
            first = next(s.path for s in sources[:index] if reach(s.values, loc) is not None)
            line = source.lines.get(loc)
            problems.append(Problem(source.path, key, line, _twice(key, first, source.path)))
    return values, problems


def _twice(key: str, first: Path, second: Path) -> str:
    if key == "include":
        return f"`include` works in the main file only: {first}"
    return expected("set in one file only", f"it in {first} and in {second}").replace(KEY, key)


def _merge(into: Values, more: Values, at: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Add *more* to *into*, table by table; yield where both set the same thing."""
    for key, value in more.items():
        here = (*at, key)
        known = into.get(key)
        if key not in into:
            into[key] = _copied(value)
        elif isinstance(known, dict) and isinstance(value, dict) and not _is_named(here):
            yield from _merge(known, value, here)
        else:
            yield here


def _is_named(at: tuple[str, ...]) -> bool:
    return bool(_NAMED.fullmatch(".".join(part.replace(".", "_") for part in at)))


def _copied(value: object) -> object:
    # Tables are merged into: the files' own must stay as read.
    if isinstance(value, dict):
        return {key: _copied(child) for key, child in value.items()}
    return value


def _with_references(value: object, key: str) -> object:
    match value:
        case str():
            return SecretRef.parse(value, key=key) or value
        case dict():
            return {k: _with_references(v, f"{key}.{quoted(k)}") for k, v in value.items()}
        case list():
            return [_with_references(v, f"{key}[{i}]") for i, v in enumerate(value)]
        case _:
            return value


def _child(value: object, part: str | int) -> object:
    if isinstance(value, dict):
        return value.get(part)
    if isinstance(value, list) and isinstance(part, int) and part < len(value):
        return value[part]
    return None


def reach(values: Values, loc: Loc) -> object:
    """Follow *loc* into *values*; None where it leads nowhere (TOML has no null)."""
    value: object = values
    for part in loc:
        value = _child(value, part)
    return value


def found_at(value: object, path: tuple[str, ...], loc: Loc = ()) -> Iterator[tuple[Loc, object]]:
    """Find what *path* leads to: each place and value; ``*`` stands for any key or item."""
    if not path:
        yield loc, value
    elif path[0] == "*":
        for part, child in _parts(value):
            yield from found_at(child, path[1:], (*loc, part))
    elif isinstance(value, dict) and path[0] in value:
        yield from found_at(value[path[0]], path[1:], (*loc, path[0]))


def _parts(value: object) -> Iterable[tuple[str | int, object]]:
    if isinstance(value, dict):
        return value.items()
    return enumerate(value) if isinstance(value, list) else ()


def _item_name(value: object) -> str | None:
    if not isinstance(value, dict):
        return None
    name = value.get("id", value.get("name"))
    return quoted(name) if isinstance(name, str) and name else None
