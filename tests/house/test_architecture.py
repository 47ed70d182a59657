"""ARCHITECTURE.md describes this house and no other."""

from __future__ import annotations

import ast
import re

import pytest

from tests.house.tree import PACKAGE, ROOT

TEXT = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
ROOM = re.compile(r"^  (?P<name>[a-z_]+)(?P<kind>/|\.py)", re.MULTILINE)
"""A line of the tree drawing: two spaces, then the folder or module it speaks of."""
REFERENCE = re.compile(r"`([a-z_]+(?:\.[A-Za-z_]+)+)(?:\(\))?`")
"""A name in backticks such as `office.outbox.submit`."""


def drawn_rooms() -> set[str]:
    drawing = TEXT.split("src/poststelle/\n", 1)[1].split("```", 1)[0]
    return {match["name"] + match["kind"] for match in ROOM.finditer(drawing)}


def real_rooms() -> set[str]:
    folders = {f"{path.name}/" for path in PACKAGE.iterdir() if path.is_dir() and path.name != "__pycache__"}
    return folders | {path.name for path in PACKAGE.glob("*.py") if path.name not in {"__init__.py", "__main__.py"}}


def test_the_drawing_names_every_room_and_no_other() -> None:
    assert drawn_rooms() == real_rooms()


def names_in_the_text() -> list[str]:
    rooms = {room.removesuffix("/").removesuffix(".py") for room in real_rooms()}
    return sorted(
        {name for name in REFERENCE.findall(TEXT) if name.split(".")[0] in rooms and not name.endswith(".py")}
    )


@pytest.mark.parametrize("name", names_in_the_text())
def test_a_name_in_the_text_exists_in_the_code(name: str) -> None:
    assert exists(name), name


def exists(name: str) -> bool:
    """Whether a dotted name below the package is a folder, a module, or defined at the top of a module."""
    *parents, last = name.split(".")
    as_path = PACKAGE.joinpath(*parents, last)
    if as_path.is_dir() or as_path.with_suffix(".py").is_file():
        return True
    module = PACKAGE.joinpath(*parents).with_suffix(".py")
    return module.is_file() and last in definitions(ast.parse(module.read_text(encoding="utf-8")))


def definitions(tree: ast.Module) -> set[str]:
    names = set()
    for node in tree.body:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                names.add(node.name)
            case ast.Assign():
                names.update(target.id for target in node.targets if isinstance(target, ast.Name))
            case ast.AnnAssign(target=ast.Name(id=name)):
                names.add(name)
    return names
