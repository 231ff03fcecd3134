"""The repository read as text and as syntax trees: what the tests of tidiness and of imports share."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("shm", "runtime", "pinion", "gateway", "riskd", "matcher", "persister", "cli", "bench")
"""Every room that is installed; ``tests`` is none of them."""
PROCESSES = ("gateway", "riskd", "matcher", "persister")


@dataclass(frozen=True, eq=False)
class Source:
    """One Python file: where it lies (relative to the repository), its text and its tree."""

    path: str
    text: str
    tree: ast.Module

    @property
    def room(self) -> str:
        """The top-level folder that it is in."""
        return self.path.split("/")[0]

    @property
    def module(self) -> str:
        """Its dotted name; that of its package for an ``__init__``."""
        return self.path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


@dataclass(frozen=True)
class Import:
    """One import of a module: by whom, in which line, of what, and whether it happens when the importer is loaded."""

    by: Source
    line: int
    module: str
    at_load: bool

    @property
    def top(self) -> str:
        """The top-level package imported."""
        return self.module.split(".")[0]

    def __str__(self) -> str:
        return f"{self.by.path}:{self.line}: {self.by.room} → {self.module}"


@cache
def sources(*folders: str) -> tuple[Source, ...]:
    """Every Python file below the named folders, sorted by path."""
    paths = sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))
    return tuple(read(path) for path in paths)


@cache
def read(path: Path) -> Source:
    """One file as a ``Source``."""
    text = path.read_text(encoding="utf-8")
    return Source(str(path.relative_to(ROOT)), text, ast.parse(text))


@cache
def imports(source: Source) -> tuple[Import, ...]:
    """Every import statement of a file, those inside functions and those for types alone too."""
    deferred = {id(node) for block in deferred_blocks(source.tree) for node in ast.walk(block)}
    found: list[Import] = []
    for node in ast.walk(source.tree):
        at_load = id(node) not in deferred
        if isinstance(node, ast.Import):
            found += [Import(source, node.lineno, name.name, at_load) for name in node.names]
        elif isinstance(node, ast.ImportFrom):
            found += imports_from(source, node, at_load)
    return tuple(found)


def imports_from(source: Source, node: ast.ImportFrom, at_load: bool) -> Iterator[Import]:
    """``from package import name``: the name may be a module itself, and counts as one where there is such a file."""
    package = "." * node.level + (node.module or "")
    for name in node.names:
        inner = ROOT / package.replace(".", "/") / f"{name.name}.py"
        yield Import(source, node.lineno, f"{package}.{name.name}" if inner.exists() else package, at_load)


def deferred_blocks(tree: ast.Module) -> Iterator[ast.AST]:
    """Functions and ``if TYPE_CHECKING`` blocks: what stands in them is not run when the module is loaded."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or (
            isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        ):
            yield node


def functions(source: Source) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Every function and method of a file, nested ones too."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def is_kernel(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether Numba compiles it."""
    return any("jit" in ast.unparse(decorator) for decorator in function.decorator_list)


def code_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines from ``def`` to the end, less the docstring: what has to be read to know what it does."""
    lines = (function.end_lineno or function.lineno) - function.lineno + 1
    if ast.get_docstring(function) is not None:
        docstring = function.body[0]
        lines -= (docstring.end_lineno or docstring.lineno) - docstring.lineno + 1
    return lines


@cache
def dotted_names(source: Source) -> tuple[tuple[int, str], ...]:
    """Line and dotted name of every name that the file uses, ``import`` and ``from … import`` spelt out."""
    found: list[tuple[int, str]] = []
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Attribute | ast.Name):
            found.append((node.lineno, dotted(node)))
        elif isinstance(node, ast.Import):
            found += [(node.lineno, name.name) for name in node.names]
        elif isinstance(node, ast.ImportFrom):
            found.append((node.lineno, node.module or ""))
            found += [(node.lineno, f"{node.module}.{name.name}") for name in node.names]
    return tuple(found)


def dotted(node: ast.expr) -> str:
    """``a.b.c`` as written; what is not a plain name at its root begins with nothing, as in ``.c``."""
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""
