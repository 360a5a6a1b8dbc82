"""The floors of docs/house.md: a file imports only lower floors, its own room or the records."""

import ast
import re
import tomllib
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "studentsearch"
FLOORS = {
    "cli": 5,
    "report": 4,
    "jobs": 3,
    "search": 2,
    "student": 2,
    "distill": 2,
    "graph": 1,
    "models": 1,
    "data": 1,
    "engine": 1,
    "runs": 1,
    "records": 1,
    "errors": 0,
    "units": 0,
    "download": 0,
    "randomness": 0,
    "progress": 0,
    "own_function": 0,
    "divergence": 0,
    "finite": 0,
    "decoding": 0,
    "printable": 0,
    "outputs": 0,
    "disk": 0,
    "interruption": 0,
}
# Every room may import it: it says what files hold, for whoever writes or reads them, and imports floor 0 alone.
SHARED = "records"
# The package's face shows every floor.
FREE = {"api", "__init__", "__main__"}
MODULES = {
    ".".join(("studentsearch", *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
}


def room(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


def imported(source: str, modules: set[str]) -> set[str]:
    """Every module that a file imports, lazily or not; names of our own are resolved to the file that they mean."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found.update(name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: a relative import; write it from studentsearch on"
            assert node.module is not None
            inner = {f"{node.module}.{name.name}" for name in node.names}
            found.update(inner & modules)
            if inner - modules:
                found.add(node.module)
    return found


def broken_floors(module: str, targets: set[str]) -> list[str]:
    own = room(module)
    if own in FREE:
        return []
    # `from studentsearch import __version__` is no way upstairs.
    ours = {target for target in targets if target.startswith("studentsearch.")}
    # The single files of floor 0 are one room.
    below = max(FLOORS[own], 1)
    allowed = {own, SHARED} if FLOORS[own] else {own}
    return [
        f"{module} (floor {FLOORS[own]}) imports {target}"
        for target in sorted(ours)
        if room(target) not in allowed and FLOORS.get(room(target), 9) >= below
    ]


IMPORTS = {module: imported(path.read_text(), set(MODULES)) for module, path in MODULES.items()}


@pytest.mark.parametrize("module", MODULES)
def test_a_file_imports_only_lower_floors(module: str) -> None:
    assert room(module) in FREE | set(FLOORS), f"{module} stands on no floor: give it one here and in docs/house.md"
    assert not broken_floors(module, IMPORTS[module])


# The rooms of graph/: what its files may import of it. Files directly in graph/ are facts or, all others, analysis.
GRAPH_FACTS = {"arguments", "dependencies", "layer_classes", "layers", "named_tuples", "names", "network"}
GRAPH_ROOMS = {
    "facts": {"facts"},
    "operations": {"facts", "operations"},
    "recording": {"facts", "operations", "recording"},
    "analysis": {"facts", "operations", "analysis"},
    "trace": {"facts", "recording"},
}


def graph_room(module: str) -> str:
    """The room of a module of graph/."""
    first = module.split(".")[2]
    return "facts" if first in GRAPH_FACTS else first if first in GRAPH_ROOMS else "analysis"


@pytest.mark.parametrize("module", [module for module in MODULES if module.startswith("studentsearch.graph.")])
def test_the_rooms_of_graph_have_an_order(module: str) -> None:
    targets = {target for target in IMPORTS[module] if target.startswith("studentsearch.graph.")}
    wrong = [target for target in targets if graph_room(target) not in GRAPH_ROOMS[graph_room(module)]]
    assert not wrong, f"{module} ({graph_room(module)}) imports {', '.join(wrong)}; see graph/ in docs/house.md"


def test_files_import_in_no_circle() -> None:
    edges = {module: targets & set(MODULES) - {"studentsearch"} for module, targets in IMPORTS.items()}
    try:
        TopologicalSorter(edges).prepare()
    except CycleError as error:
        pytest.fail(f"files import in a circle: {' -> '.join(error.args[1])}")


@pytest.mark.parametrize(
    ("library", "rooms"), [("typer", {"cli"}), ("rich", {"cli", "report"}), ("pandas", {"report"})]
)
def test_screens_stay_upstairs(library: str, rooms: set[str]) -> None:
    users = {module for module, targets in IMPORTS.items() if library in {target.split(".")[0] for target in targets}}
    assert {module for module in users if room(module) not in rooms} == set()


@pytest.mark.parametrize("name", ["report", "records"])
def test_reports_and_records_need_no_torch(name: str) -> None:
    torch = [
        module
        for module, targets in IMPORTS.items()
        if room(module) == name and "torch" in {target.split(".")[0] for target in targets}
    ]
    assert not torch


def test_broken_floors_are_noticed() -> None:
    modules = {"studentsearch.data.dataset", "studentsearch.errors", "studentsearch.engine"}
    source = "from studentsearch.data import dataset\nfrom studentsearch.errors import UsageError\n"
    targets = imported(source, modules)
    assert targets == {"studentsearch.data.dataset", "studentsearch.errors"}
    assert broken_floors("studentsearch.jobs.teach", targets) == []
    assert broken_floors("studentsearch.data.batches", targets) == []
    sibling = ["studentsearch.engine.loop (floor 1) imports studentsearch.data.dataset"]
    assert broken_floors("studentsearch.engine.loop", targets) == sibling
    assert broken_floors("studentsearch.units", targets) != []
    records = {"studentsearch.records.names"}
    assert broken_floors("studentsearch.runs.folder", records) == []
    assert broken_floors("studentsearch.units", records) != []
    assert broken_floors("studentsearch.records.names", {"studentsearch.runs.folder"}) != []
    assert broken_floors("studentsearch.search.gates", {"studentsearch.api"}) != []


def test_every_dependency_has_the_version_that_was_tested() -> None:
    root = PACKAGE.parent
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    lists = (project["dependencies"], *project["optional-dependencies"].values())
    wanted = {re.split(r"[<>=\[ ]", line)[0] for lines in lists for line in lines}
    pinned = [line.split("==") for line in (root / "constraints.txt").read_text().splitlines()]
    assert {name for name, _ in pinned} == wanted


def test_the_page_names_every_file_under_its_room() -> None:
    """Only whole file names count, and only those that exist; a section may name files of other rooms by their path."""
    page = (PACKAGE.parent / "docs" / "house.md").read_text()
    sections = {name.rstrip("/"): text for name, text in re.findall(r"^## (.+)\n([\s\S]*?)(?=^## |\Z)", page, re.M)}
    for path in MODULES.values():
        if path.name != "__init__.py":
            inside = path.relative_to(PACKAGE).parts
            section = sections[inside[0] if len(inside) > 1 else "Floor 0"]
            assert f"`{path.name}`" in section, f"docs/house.md does not name {'/'.join(inside)} under its room"
    for name in {room for room in FLOORS if (PACKAGE / room).is_dir()}:
        own = {path.name for path in (PACKAGE / name).rglob("*.py")} | {"model.py"}  # model.py is what a student holds
        assert set(re.findall(r"`(\w+\.py)`", sections[name])) <= own, (
            f"docs/house.md names files of {name}/ that are gone"
        )
