import ast
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest
from installed import build_wheel

ROOT = Path(__file__).parents[1]
ROOMS = ("personas", "agents", "sim", "scenarios", "analysis")
OUTSIDE = {"docs", "src", "tests", "benchmarks"}


def python_folders() -> set[str]:
    tracked = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.py"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    return {Path(name).parts[0] for name in tracked if len(Path(name).parts) > 1}


def test_every_folder_with_python_is_in_the_wheel_map_and_has_its_link() -> None:
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    for folder in python_folders() - OUTSIDE:
        assert folder in wheel["only-include"]
        assert wheel["sources"][folder] == f"populace/{folder}"
        assert (ROOT / "src" / "populace" / folder).resolve() == ROOT / folder


@pytest.fixture(scope="session")
def wheel_names(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    with zipfile.ZipFile(build_wheel(tmp_path_factory.mktemp("wheel"))) as archive:
        return set(archive.namelist())


def test_the_built_wheel_holds_every_module_and_every_data_file_under_one_name(wheel_names: set[str]) -> None:
    expected = {
        f"populace/{path.relative_to(ROOT)}"
        for room in ROOMS
        for path in (ROOT / room).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    missing = expected - wheel_names
    assert not missing
    assert {name.split("/")[0] for name in wheel_names if not name.startswith("populace-")} == {"populace"}
    assert "populace/cli/app.py" in wheel_names


def test_help_loads_no_heavy_library() -> None:
    heavy = "aiohttp datasketch duckdb langchain_core langgraph mesa networkx numpy pyarrow pydantic rich"
    code = (
        "import sys; sys.argv = ['populace', '--help']\n"
        "from populace.cli import main\n"
        "try: main()\nexcept SystemExit: pass\n"
        f"print('LOADED', *[m for m in {heavy!r}.split() if m in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "Turn texts into personas" in shown
    assert shown.splitlines()[-1] == "LOADED"


@pytest.mark.slow
def test_a_run_with_the_stand_in_loads_no_library_that_it_does_not_use(tmp_path: Path) -> None:
    heavy = "aiohttp langchain_openai langgraph openai pandas scipy sklearn"
    code = (
        "import sys; sys.argv = 'populace run village --agents 4 --hops 1 --steps 1 --out run.duckdb'.split()\n"
        "from populace.cli import main\n"
        "try: main()\nexcept SystemExit: pass\n"
        f"print('LOADED', *[m for m in {heavy!r}.split() if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert (tmp_path / "run.duckdb").exists()
    assert done.stdout.splitlines()[-1] == "LOADED"


def test_no_file_is_longer_than_600_lines() -> None:
    long = {
        str(path.relative_to(ROOT)): lines
        for folder in (*ROOMS, "src/populace/cli", "tests", "benchmarks")
        for path in (ROOT / folder).rglob("*.py")
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > 600
    }
    assert not long


#: What each room may import of the others; a trailing dot means the named part of a room alone.
MAY_IMPORT = {
    "personas": ("core",),
    "agents": ("personas", "core"),
    "sim": ("agents", "personas", "core"),
    # What sim writes, and what an experiment is declared as.
    "analysis": ("sim.runfile", "sim.experiment.design", "personas", "core"),
    "scenarios": (*ROOMS, "cli", "core"),
}


def imported_places(path: Path, room: str) -> set[str]:
    """Dotted places of Populace that a file imports, as `sim.runfile.rows`."""
    package = (room, *path.relative_to(ROOT / room).parts[:-1])
    places = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = ("populace", *package)[: len(package) + 2 - node.level]
            places.add(".".join([*base, *(node.module or "").split(".")]).removeprefix("populace."))
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("populace."):
            places.add((node.module or "").removeprefix("populace."))
        elif isinstance(node, ast.Import):
            places |= {a.name.removeprefix("populace.") for a in node.names if a.name.startswith("populace.")}
    return places


@pytest.mark.slow
@pytest.mark.parametrize("room", ROOMS)
def test_imports_between_rooms_only_point_down(room: str) -> None:
    allowed = (room, *MAY_IMPORT[room])
    for path in (ROOT / room).rglob("*.py"):
        for place in imported_places(path, room):
            ok = any(place == a or place.startswith(f"{a}.") for a in allowed)
            assert ok, f"{path.relative_to(ROOT)} imports {place}, which is not below it"


def imported_modules(module: str, path: Path, known: dict[str, Path]) -> Iterator[str]:
    """The modules that a module imports, also within functions and for types alone."""
    parts = module.split(".")
    package = parts if path.stem == "__init__" else parts[:-1]
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.ImportFrom):
            base = package[: len(package) + 1 - node.level] if node.level else []
            place = ".".join([*base, *filter(None, [node.module])]).removeprefix("populace.")
            imported = {f"{place}.{name.name}" for name in node.names}
            yield from imported & known.keys() or {place} & known.keys()


def test_no_modules_import_each_other_in_a_circle() -> None:
    top = ROOT / "src" / "populace"
    paths = [(ROOT, path) for room in ROOMS for path in (ROOT / room).rglob("*.py")]
    paths += [(top, path) for path in (*top.glob("[!_]*.py"), *(top / "cli").rglob("*.py"))]
    known = {
        ".".join(path.relative_to(base).with_suffix("").parts).removesuffix(".__init__"): path for base, path in paths
    }
    graph = {module: set(imported_modules(module, path, known)) - {module} for module, path in known.items()}
    assert graph["sim.scenario"] >= {"sim.resident", "sim.survey.survey"}  # one is imported, one for types alone
    order = TopologicalSorter(graph).static_order()
    assert set(order) == known.keys()  # raises CycleError, which names the circle
