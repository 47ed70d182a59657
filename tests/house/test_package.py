"""What a stranger installs is the whole product."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.house.tree import PACKAGE, ROOT, files

INSIDE = "poststelle/web/static/dist/"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The wheel pip makes of this checkout, by the same build `pip install .` runs."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), str(ROOT)]
    subprocess.run(command, check=True)
    (path,) = folder.glob("*.whl")
    return zipfile.ZipFile(path)


def test_the_wheel_holds_every_module_template_and_migration(wheel: zipfile.ZipFile) -> None:
    written = {path.relative_to(PACKAGE.parent).as_posix() for path in files(PACKAGE) if path.suffix != ".po"}
    sources_of_assets = {name for name in written if name.startswith("poststelle/web/assets/")}
    assert written - sources_of_assets - set(wheel.namelist()) == set()


def test_the_wheel_holds_the_bundled_browser_files_its_manifest_names(wheel: zipfile.ZipFile) -> None:
    manifest = json.loads(wheel.read(INSIDE + "manifest.json"))
    assert set(manifest) == {"app.js", "app.css"}
    assert "htmx" in wheel.read(INSIDE + manifest["app.js"]).decode()
    assert wheel.read(INSIDE + manifest["app.css"])


def test_the_wheel_holds_both_catalogues_compiled(wheel: zipfile.ZipFile) -> None:
    catalogues = {Path(name).parts[2] for name in wheel.namelist() if name.endswith(".mo")}
    assert catalogues == {"de", "en"}
