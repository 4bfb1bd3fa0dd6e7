"""The installed wheel is complete and typed, and coexists with the unrelated distribution ``identify``."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import venv
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
OTHER_IDENTIFY = "identify==2.6.15"

USE_OURS = """
import identify.criterion, identify.catalog, estimation.commands
assert 'site-packages' in identify.criterion.__file__, identify.criterion.__file__
assert len(identify.catalog.names()) > 50
assert not identify.criterion.check(identify.catalog.load('identical-twins'))
assert estimation.commands.main(['check', 'ActionDiag', '--strict', '--json']) == 0
from identify.plot import plot_verdict
"""
USE_THEIRS = "from identify.identify import tags_from_filename; assert 'python' in tags_from_filename('a.py')"


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "--wheel-dir", folder, ROOT], check=True)
    (built,) = folder.glob("mechsparse-*.whl")
    return built


@pytest.fixture(scope="session")
def other_identify(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("other_identify")
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder]
    subprocess.run([*pip, OTHER_IDENTIFY], check=True)
    (downloaded,) = folder.glob("identify-*.whl")
    return downloaded


Pip = Callable[..., None]
Run = Callable[[str], None]


@pytest.fixture
def environment(tmp_path: Path) -> tuple[Pip, Run]:
    """Create a new environment with access to our dependencies, but not to the checkout."""
    venv.create(tmp_path / "env", with_pip=False, symlinks=True)
    python = tmp_path / "env" / "bin" / "python"
    paths = {"base": str(tmp_path / "env"), "platbase": str(tmp_path / "env")}
    site = Path(sysconfig.get_path("purelib", vars=paths))
    # a .pth file here adds the path only: the .pth file of the editable install at that path isn't processed
    site.joinpath("dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")

    def pip(*arguments: object) -> None:
        command = [sys.executable, "-m", "pip", "--quiet", "--python", python, *map(str, arguments)]
        subprocess.run(command, check=True, cwd=tmp_path)

    def run(code: str) -> None:
        process = subprocess.run(
            [python, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=False
        )
        assert process.returncode == 0, process.stderr

    return pip, run


def test_the_wheel_contains_both_packages_data_and_type_information(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    sources = [
        path.relative_to(ROOT).as_posix()
        for package in ("identify", "estimation")
        for path in ROOT.joinpath(package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    ]
    assert set(sources) <= names
    assert {"identify/py.typed", "estimation/py.typed", "identify/data/LICENSE-CANA.txt"} <= names
    assert not {name for name in names if name.split("/")[0] in ("tests", "docs", "examples")}


def test_an_installed_wheel_works_and_provides_its_command(
    wheel: Path, environment: tuple[Pip, Run], tmp_path: Path
) -> None:
    pip, run = environment
    pip("install", "--no-deps", wheel)
    run(USE_OURS)
    command = tmp_path / "env" / "bin" / "mechsparse"
    process = subprocess.run([command, "check", "TimeDiag"], capture_output=True, text=True, check=True)
    assert "Completely disentangled: all 10 latents" in process.stdout


@pytest.mark.parametrize("ours_first", [True, False], ids=["ours first", "theirs first"])
@pytest.mark.parametrize("removed", ["mechsparse", "identify"])
def test_it_can_share_an_environment_with_the_other_identify(
    wheel: Path, other_identify: Path, environment: tuple[Pip, Run], ours_first: bool, removed: str
) -> None:
    pip, run = environment
    for distribution in (wheel, other_identify) if ours_first else (other_identify, wheel):
        pip("install", "--no-deps", distribution)
    run(USE_OURS)
    run(USE_THEIRS)
    pip("uninstall", "--yes", removed)
    run(USE_OURS if removed == "identify" else USE_THEIRS)
