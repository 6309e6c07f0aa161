"""The emulators are a second opinion: they must not share Homing's own reading of the protocols."""

import ast
from pathlib import Path

import homing.emulators

FOLDER = Path(homing.emulators.__file__).parent
ALLOWED = ("homing.emulators", "homing.adapters.render")


def imported(path):
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom):
            yield node.module or ""
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


class TestImports:
    def test_nothing_of_homing_is_used_but_the_renderer(self):
        """Handlebars is the vendor's own language, not our reading of it."""
        strangers = {
            (path.name, name)
            for path in FOLDER.rglob("*.py")
            for name in imported(path)
            if name.split(".")[0] == "homing" and not name.startswith(ALLOWED)
        }

        assert set() == strangers
