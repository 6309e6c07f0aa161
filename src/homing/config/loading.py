"""From a path to a configuration that can be run, or to every reason why it cannot."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from homing.config import checks, documents, journey_checks, journey_lint, lint
from homing.config.compiling import compile_plans
from homing.config.documents import Document
from homing.config.leaves import all_of
from homing.config.parts import Parts
from homing.config.pinned import definition_of
from homing.config.problems import ConfigError, Finding, Loc, Problem, expected
from homing.config.secrets import SecretRef, missing_of, values_of
from homing.config.settings import Settings
from homing.config.shape import fit
from homing.core.plans import Plans

HOMING_CONFIG = "HOMING_CONFIG"
DEFAULT_NAME = "homing.toml"

# Sections that this version does not run need no secrets either.
_NOT_NEEDED = (("segment", "profiles"),)


@dataclass(frozen=True)
class Loaded:
    """
    A configuration without errors.

    *files* are all that were read, the main one first; *warnings* are for people and stop nothing.
    """

    path: Path
    files: tuple[Path, ...]
    settings: Settings
    plans: Plans
    warnings: tuple[Problem, ...]
    _document: Document = field(repr=False)

    @property
    def store_path(self) -> Path:
        """The file of the SQLite state: relative to the configuration file, as it was written."""
        return self.path.parent / self.settings.store.url.target

    @cached_property
    def definitions(self) -> Mapping[str, bytes]:
        """The definition of each journey by its name: what `pinned.program_of` compiles again."""
        return {name: definition_of(self._document, name) for name in self.settings.journey}

    def written(self, section: str) -> object:
        """What the files say in a section, merged; None if nothing."""
        return self._document.values.get(section)

    @property
    def secrets(self) -> tuple[SecretRef, ...]:
        """Every secret that the settings refer to, in their order."""
        return tuple(ref for _, ref in all_of(SecretRef, self.settings))

    def secret_values(self, environ: Mapping[str, str]) -> frozenset[str]:
        """Read every secret that can be had now: what a log must never show."""
        return values_of(self.secrets, environ)

    def missing_secrets(self, environ: Mapping[str, str]) -> tuple[Problem, ...]:
        """
        List the secrets that ``serve`` needs and that cannot be had now.

        Not needed: those of parts that this version does not run and, in capture mode, the key of
        the account that nothing is sent to.
        """
        return _problems(self._document, _missing(self.settings, environ))

    def refusals(self, environ: Mapping[str, str]) -> tuple[Problem, ...]:
        """List why ``serve`` must not start (exit 78): missing secrets, a store it cannot run."""
        found = list(_missing(self.settings, environ))
        if self.settings.store.url.scheme == "postgresql":
            found.append(Finding(("store", "url"), lint.POSTGRESQL))
        return _problems(self._document, found)

    def placed(self, findings: Iterable[Finding]) -> tuple[Problem, ...]:
        """Tell where in its files each finding of somebody else stands, in their order."""
        return _problems(self._document, findings)


def find_config(option: Path | None, environ: Mapping[str, str], cwd: Path) -> Path:
    """Choose the configuration file: the *option*, else ``$HOMING_CONFIG``, else ./homing.toml."""
    return cwd / (option or environ.get(HOMING_CONFIG) or DEFAULT_NAME)


def load(path: Path, *, environ: Mapping[str, str]) -> Loaded:
    """
    Read, check and compile the configuration at *path*.

    Args:
        path: The main file; others by its ``include``.

        environ: Where secrets are looked for, to warn of those that are missing.

    Raises:
        ConfigError: With every error there is.
    """
    document = documents.read(path)
    settings, misfits = fit(document.values)
    parts = Parts.of(settings, document)
    errors = [*misfits, *_checked(settings, document), *parts.findings]
    if errors or document.problems:
        raise ConfigError([*document.problems, *_problems(document, errors)])
    plans = compile_plans(settings, parts)
    warnings = [*document.warnings, *lint.warnings_of(settings, document.values)]
    warnings += journey_lint.warnings_of(settings, plans.journeys, parts.mappings.compiled)
    warnings += _missing(settings, environ)
    return Loaded(
        path=path,
        files=tuple(source.path for source in document.sources),
        settings=settings,
        plans=plans,
        warnings=_problems(document, warnings),
        _document=document,
    )


def _checked(settings: Settings, document: Document) -> Iterator[Finding]:
    written = checks.Written(document.values)
    yield from checks.findings_of(settings, written)
    for name, journey in settings.journey.items():
        yield from journey_checks.journey_findings(("journey", name), journey, written)


def _missing(settings: Settings, environ: Mapping[str, str]) -> Iterator[Finding]:
    for loc, ref in all_of(SecretRef, settings):
        captured = settings.sendgrid.mode == "capture" and loc == ("sendgrid", "api_key")
        if not captured and loc[:2] not in _NOT_NEEDED:
            missing = missing_of([ref], environ)
            yield from (Finding(loc, str(error)) for error in missing)
            if not missing and loc[:2] == ("sendgrid", "webhook"):
                yield from _unusable_key(loc, ref.resolve(environ))


def _unusable_key(loc: Loc, text: str) -> Iterator[Finding]:
    # takes long to import, and only who has such a key needs it
    from homing.core.verify import SendGridVerifier, UnusableKey  # noqa: PLC0415

    try:
        SendGridVerifier([text])
    except UnusableKey:
        key = "a SendGrid verification key, base64 of a P-256 public key"
        yield Finding(loc, expected(key, "something else", why="the signatures cannot be checked"))


def _problems(document: Document, findings: Iterable[Finding]) -> tuple[Problem, ...]:
    """Place the findings and put them in the order of the files and lines."""
    order = {source.path: index for index, source in enumerate(document.sources)}
    problems = dict.fromkeys(document.problem(finding) for finding in findings)
    return tuple(sorted(problems, key=lambda p: (order.get(p.file, 0), p.line or 0)))
