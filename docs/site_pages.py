"""Pages of the site that are made while it is built: the options of every command, and the docstrings of every module.

mkdocs runs this file as a hook (`hooks` in mkdocs.yml). The pages exist nowhere else, so they show the code as it is.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

import typer
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from typer.core import TyperArgument, TyperCommand, TyperOption

from studentsearch.cli.main import app

PACKAGE = Path(__file__).parent.parent / "studentsearch"
COMMAND_LINE = "cli"  # has a page of its own, made of its options


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """The site's files and the generated pages.

    Args:
        files: What mkdocs found under docs/; the generated pages are appended to it.
        config: The site's configuration.

    Returns:
        `files`, the same object.
    """
    for path, text in generated_pages():
        files.append(File.generated(config, path, content=text))
    return files


def generated_pages() -> Iterator[tuple[str, str]]:
    """Path below docs/ and Markdown text of every generated page."""
    yield "reference/commands.md", "\n".join(_commands())
    yield "reference/python/api.md", "# Python: studentsearch.api\n\n::: studentsearch.api\n\n::: studentsearch\n"
    single = (path for path in PACKAGE.glob("*.py") if path.stem not in {"__init__", "__main__", "api"})
    yield "reference/python/floor_0.md", _modules("Python: floor 0", single)
    for room in sorted(path.parent for path in PACKAGE.glob("*/__init__.py")):
        if room.name != COMMAND_LINE:
            yield f"reference/python/{room.name}.md", _modules(f"Python: {room.name}", room.rglob("*.py"))


def _modules(title: str, paths: Iterable[Path]) -> str:
    written = sorted(path for path in paths if path.read_text(encoding="utf-8").strip())
    names = [".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts) for path in written]
    return "\n\n".join([f"# {title}", *(f"::: {name.removesuffix('.__init__')}" for name in names)]) + "\n"


def _commands() -> Iterator[str]:
    yield "# Commands"
    for name, command in typer.main.get_group(app).commands.items():
        if isinstance(command, TyperCommand):
            arguments = [one for one in command.params if isinstance(one, TyperArgument)]
            yield from ("", f"## {name}", "", f"    {' '.join(['studentsearch', name, *map(_metavar, arguments)])}", "")
            yield from (command.help or "", "", "| argument or option | default | meaning |", "|---|---|---|")
            yield from (_row(one) for one in command.params if isinstance(one, TyperArgument | TyperOption))


def _metavar(parameter: TyperArgument | TyperOption) -> str:
    return parameter.metavar or ""


def _row(parameter: TyperArgument | TyperOption) -> str:
    spelled = [*parameter.opts, *parameter.secondary_opts] if isinstance(parameter, TyperOption) else []
    names = ", ".join(f"`{name}`" for name in spelled) + f" {_metavar(parameter)}"
    default = "" if parameter.default in {None, False} else f"`{parameter.default}`"
    return f"| {names.strip()} | {default} | {(parameter.help or '').replace('|', '&#124;')} |"
