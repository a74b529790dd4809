"""The wheel, and an environment that has it and what requirements.lock names, and nothing of what tests need."""

import re
import subprocess
import sys
import zipfile
from importlib.metadata import distributions
from pathlib import Path

ROOT = Path(__file__).parents[2]
_LOCKED = re.compile(r"^([\w.-]+)==", re.MULTILINE)


def build_wheel(folder: Path) -> Path:
    """Build the wheel into a new folder."""
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    return built


def install_wheel(folder: Path) -> Path:
    """Install it into a new environment, whose other packages are links to those here; gives its Python."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "venv"], check=True)
    python = folder / "venv" / "bin" / "python"
    (site,) = (folder / "venv" / "lib").glob("python*/site-packages")
    with zipfile.ZipFile(build_wheel(folder)) as wheel:
        wheel.extractall(site)
    locked = {_normal(name) for name in _LOCKED.findall((ROOT / "requirements.lock").read_text("utf-8"))}
    own = [found for found in distributions() if _normal(found.metadata["Name"]) in locked]
    links = {file.parts[0]: found.locate_file(file.parts[0]) for found in own for file in found.files or ()}
    for top in links.keys() - {"..", "__pycache__"}:
        (site / top).symlink_to(str(links[top]))
    command = python.with_name("populace")
    command.write_text(f"#!{python}\nfrom populace.cli import main\nmain()\n", encoding="utf-8")
    command.chmod(0o755)
    return python


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
