"""Facts have one class: no two rooms of the package hold dataclasses with nearly the same fields."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "studentsearch"
# Of the fields of both classes, three in four in common: below that a class has as much of its own as of the other's,
# such as options and the record of what was done with them (at most 0.6 here). A class that holds a few fields of a
# large one is no copy of it either. With one field, as `schema` alone, names say nothing.
SHARE = 0.75
FEWEST = 2
ALLOWED = {
    # The command line's option groups: their annotations are Typer's (flags, help, types as typed), which jobs/ must
    # not know; the job's class is what the group is turned into.
    ("cli.groups.ComputeGroup", "jobs.options.ComputeOptions"),
    ("cli.groups.DataGroup", "jobs.options.DataOptions"),
    ("cli.groups.TrainingGroup", "records.recipe.TrainingRecipe"),
    # config.json spells a step flat, with any JSON arguments; a spec holds the graph's operations, checked.
    ("records.architecture.ArchitectureRecord", "student.spec.StudentSpec"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """A dataclass of the package: where it stands, and its fields."""

    path: str
    fields: frozenset[str]

    @property
    def room(self) -> str:
        return self.path.partition(".")[0]


def forms(source: str, module: str) -> Iterator[Form]:
    """The dataclasses and named tuples of a file, those inside functions and classes included."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.ClassDef):
            continue
        words = {ast.unparse(part).partition("(")[0].rpartition(".")[2] for part in (*node.decorator_list, *node.bases)}
        if words & {"dataclass", "NamedTuple", "TypedDict", "Struct"}:
            names = (part.target for part in node.body if isinstance(part, ast.AnnAssign))
            fields = frozenset(name.id for name in names if isinstance(name, ast.Name))
            yield Form(path=f"{module}.{node.name}", fields=fields)


def package_forms() -> list[Form]:
    found: list[Form] = []
    for path in sorted(PACKAGE.rglob("*.py")):
        module = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
        found += forms(path.read_text(), module)
    return found


def duplicates(found: list[Form]) -> set[tuple[str, str]]:
    return {
        (one.path, other.path)
        for one, other in combinations(sorted(found, key=lambda form: form.path), 2)
        if one.room != other.room
        and min(len(one.fields), len(other.fields)) >= FEWEST
        and len(one.fields & other.fields) >= SHARE * len(one.fields | other.fields)
    }


def test_no_two_rooms_hold_the_same_facts() -> None:
    found = package_forms()
    assert len(found) > 100
    assert duplicates(found) == ALLOWED, "share one class of records/, or say here why both are needed"


def test_copies_are_noticed() -> None:
    source = "@dataclass(frozen=True)\nclass {name}:\n    macs: int\n    step: int\n    label: str\n    {more}: int\n"
    record, copy, other = (
        list(forms(source.format(name=name, more=more), module))
        for name, more, module in (
            ("Found", "folder", "jobs.search"),
            ("FoundFacts", "folder", "report.facts"),
            ("Else", "seconds", "report.other"),
        )
    )
    assert duplicates([*record, *copy]) == {("jobs.search.Found", "report.facts.FoundFacts")}
    assert duplicates([*record, *other]) == set()  # 3 of 5
    assert duplicates([*copy, *copy]) == set()  # one room
