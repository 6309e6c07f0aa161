"""What goes with the settings, and is compiled or read apart from them."""

from __future__ import annotations

import dataclasses

from homing.config.bodies import Bodies
from homing.config.documents import Document
from homing.config.mappings import Mappings
from homing.config.problems import Finding
from homing.config.settings import Settings
from homing.core.mapping import Compiled


@dataclasses.dataclass(frozen=True, slots=True)
class Parts:
    """Mappings and bodies, each by its place in the settings, and the document of both."""

    document: Document
    mappings: Mappings
    bodies: Bodies

    @classmethod
    def of(cls, settings: Settings, document: Document) -> Parts:
        """Compile the mappings and read the bodies of *settings*."""
        return cls(document, Mappings.of(settings, document), Bodies.of(settings, document))

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What is wrong with any of them."""
        return self.mappings.findings + self.bodies.findings

    def mapping(self, *loc: str | int) -> Compiled | None:
        """Return the mapping at *loc*, None where there is none."""
        return self.mappings.compiled.get(loc)

    def written(self, *loc: str | int) -> tuple[str, ...]:
        """List the keys of the table at *loc* in the order in which their author wrote them."""
        return self.document.keys_at(loc)
