"""Style as a test: lengths that only shrink, names that are banned together with what to use instead, words left over."""

import ast
import re
import statistics
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import click
import pytest

from shm.records import VARIANTS
from sources import PROCESSES, ROOMS, ROOT, Source, code_lines, dotted_names, functions, is_kernel, sources

FILE_LINES_BOUND = 400
FUNCTION_LINES_BOUND = 50
SHORT_LINES = 30
"""Nine functions in ten are at most this long."""

SENTENCE_WORDS = 5

LONG_FUNCTIONS: dict[str, tuple[int, str]] = {}
"""``file:function`` → the lines that it may have and why. An entry only ever shrinks."""

SOCKET_FILES = {
    "bench": "a bare echo to compare with",
    "gateway/wire.py": "the clients' sockets",
    "gateway/zmqlib.py": "libzmq's functions for compiled code; opens none itself",
    "runtime/control.py": "the control socket",
    "pinion/client.py": "the blocking client's socket",
    "pinion/aio.py": "the asyncio client's socket",
}
"""The only places that import zmq: bytes and records in, bytes and records out, everywhere else."""

ENGINE = (*PROCESSES, "shm", "runtime", "pinion")
TEXTS = ("*.md", "docs/**/*.md", "systemd/**/*", "Makefile", ".ci/*", "*.toml")


class Ban(NamedTuple):
    """A dotted name, where it may not stand, and what to use in its place."""

    name: str
    folders: tuple[str, ...]
    instead: str
    but: tuple[str, ...] = ()
    """The files that are about just that."""


BANS = (
    Ban("time.sleep", ("tests",), "wait for the condition: waiting.wait_until, a poll of the socket, process.wait(timeout)"),
    Ban("time.sleep", PROCESSES, "return from do_work: the runner idles, and a signal or a doorbell ends that"),
    Ban("print", ENGINE, "the logger of the context; output for people belongs to cli"),
    Ban("pickle", ROOMS, "structured arrays and their bytes: a pickle runs code and has no layout"),
    Ban("marshal", ROOMS, "structured arrays and their bytes"),
    Ban("time", ("matcher",), "time comes in on the command: command['time_ns']"),
    Ban("datetime", ("matcher",), "time comes in on the command: command['time_ns']"),
    Ban("random", ("matcher",), "the matcher is a pure function of its commands"),
    Ban("socket", ("matcher", "riskd"), "rings; sockets belong to gateway"),
    Ban("os.fork", (*ENGINE, "cli"), "subprocess: a fork copies threads' locks and sockets"),
    Ban("multiprocessing", ROOMS, "processes of their own, started as `pinion run`, and rings between them"),
    Ban("datetime.datetime.utcnow", ROOMS, "datetime.now(UTC)"),
    Ban("datetime.utcnow", ROOMS, "datetime.now(UTC)"),
    Ban(
        "time.time", ("shm", "runtime", "riskd"), "time.time_ns or time.monotonic: integers, and a clock that never steps back"
    ),
)


def fail_on(wrong: list[str], why: str) -> None:
    """Fail with every place at once."""
    assert not wrong, f"{why}\n" + "\n".join(wrong)


def kernels_of(*folders: str) -> Iterator[tuple[Source, ast.FunctionDef | ast.AsyncFunctionDef]]:
    """All compiled functions of the folders."""
    for source in sources(*folders):
        yield from ((source, function) for function in functions(source) if is_kernel(function))


def texts() -> Iterator[tuple[str, str]]:
    """Path and text of every file that people read: sources, tests, documents, units, build files."""
    for source in sources(*ROOMS, "tests"):
        yield source.path, source.text
    for path in sorted({path for pattern in TEXTS for path in ROOT.glob(pattern) if path.is_file()}):
        yield str(path.relative_to(ROOT)), path.read_text(encoding="utf-8")


def lines_matching(pattern: str, unless: Callable[[str], bool] = lambda path: False) -> list[str]:
    """``path:line: text`` of each line of the repository that the pattern is found in."""
    found = []
    for path, text in texts():
        if not unless(path):
            found += [f"{path}:{n}: {line.strip()}" for n, line in enumerate(text.splitlines(), 1) if re.search(pattern, line)]
    return found


# Lengths


def test_no_file_is_long() -> None:
    """A file that outgrows its bound holds two things."""
    rooms = [room for room in ROOMS if room != "bench"]
    lengths = {source.path: len(source.text.splitlines()) for source in sources(*rooms)}
    fail_on(
        [f"{path}: {lines}" for path, lines in lengths.items() if lines > FILE_LINES_BOUND], f"over {FILE_LINES_BOUND} lines:"
    )


def test_no_function_is_long() -> None:
    """The few that may be longer are listed with a reason, and each is as long as its entry says, not shorter."""
    wrong = []
    for source in sources(*ROOMS):
        for function in functions(source):
            name = f"{source.path}:{function.name}"
            bound, _ = LONG_FUNCTIONS.get(name, (FUNCTION_LINES_BOUND, ""))
            if code_lines(function) > bound:
                wrong.append(f"{source.path}:{function.lineno}: {function.name} has {code_lines(function)} lines of {bound}")
    fail_on(wrong, "longer than one screen without its docstring:")


def test_entries_for_long_functions_shrink() -> None:
    """An entry that is no longer needed, or allows more than there is, goes."""
    lengths = {f"{s.path}:{f.name}": code_lines(f) for s in sources(*ROOMS) for f in functions(s)}
    wrong = [
        f"{name}: {lengths.get(name, 0)} of {bound}"
        for name, (bound, _) in LONG_FUNCTIONS.items()
        if lengths.get(name) != bound
    ]
    fail_on(wrong, "LONG_FUNCTIONS says more than there is:")


def test_functions_are_short_as_a_rule() -> None:
    """Half of them within ten lines, nine in ten within thirty."""
    lengths = sorted(code_lines(function) for source in sources(*ROOMS) for function in functions(source))
    assert statistics.median(lengths) <= 10
    assert lengths[len(lengths) * 9 // 10] <= SHORT_LINES


# Names


@pytest.mark.parametrize("ban", BANS, ids=lambda ban: f"{ban.name} in {ban.folders[0]}")
def test_banned_name(ban: Ban) -> None:
    """What may not be used, with what to use instead in the message."""
    looked_at = [source for source in sources(*ban.folders) if source.path not in ban.but]
    found = sorted({f"{s.path}:{line}" for s in looked_at for line, name in dotted_names(s) if name == ban.name})
    fail_on(found, f"{ban.name}: use {ban.instead}")


def test_sockets_are_in_few_files() -> None:
    """Everything else takes bytes and records and gives bytes and records, and is tested without a socket."""
    allowed = tuple(SOCKET_FILES)
    wrong = [
        f"{source.path}:{line}"
        for source in sources(*ROOMS)
        for line, name in dotted_names(source)
        if name.split(".")[0] == "zmq" and not source.path.startswith(allowed)
    ]
    fail_on(sorted(set(wrong)), f"zmq belongs to {', '.join(allowed)}; not to:")


def test_no_module_is_named_like_one_of_the_standard_library() -> None:
    """A program started by its file's path would find ours first."""
    wrong = [source.path for source in sources(*ROOMS, "tests") if source.module.split(".")[-1] in sys.stdlib_module_names]
    fail_on(wrong, "named like a module of the standard library:")


# Money


def test_records_hold_no_floats() -> None:
    """Prices, quantities and money are integers wherever they travel."""
    wrong = [f"{dtype}: {name}" for dtype in VARIANTS for name in dtype.names or () if dtype[name].base.kind in "fc"]
    fail_on(wrong, "a float in a record:")


def test_kernels_that_move_money_have_no_floats() -> None:
    """No float constant, no true division and no float type in compiled code of riskd and matcher."""
    wrong = []
    for source, kernel in kernels_of("riskd", "matcher"):
        for node in ast.walk(kernel):
            is_float = isinstance(node, ast.Constant) and isinstance(node.value, float)
            is_division = isinstance(node, ast.Div)
            is_type = isinstance(node, ast.Attribute | ast.Name) and re.search(r"\bfloat(16|32|64)?$", ast.unparse(node))
            if is_float or is_division or is_type:
                wrong.append(f"{source.path}:{getattr(node, 'lineno', kernel.lineno)}: in {kernel.name}")
    fail_on(wrong, "floats near money:")


def test_kernels_are_cached() -> None:
    """Every kernel is compiled with a cache, so that a process does not start by compiling."""
    wrong = [
        f"{source.path}:{kernel.lineno}: {kernel.name}"
        for source, kernel in kernels_of(*ENGINE)
        if not any("cache=True" in ast.unparse(d) or "inline" in ast.unparse(d) for d in kernel.decorator_list)
    ]
    fail_on(wrong, "@njit without cache=True:")


# Words


def test_nothing_is_left_for_later() -> None:
    """What is not done is an issue, not a word in a comment."""
    words = "|".join((r"\bTO" + r"DO\b", r"\bFIX" + r"ME\b", r"#.*\bX" + r"XX\b", r"\bHA" + r"CK\b"))
    fail_on(lines_matching(words), "left over:")


def test_no_path_of_a_developers_machine() -> None:
    """A path of somebody's home or workplace works for nobody else. (A test may make up a user.)"""
    wrong = lines_matching(r"(?<![\w.}/-])/(" + "wo" + r"rk|ro" + r"ot)/\w")
    wrong += lines_matching(r"(?<![\w.}/-])/(ho" + "me|Us" + r"ers)/\w", unless=lambda path: path.startswith("tests/"))
    fail_on(wrong, "a path of one machine:")


def test_asserts_are_never_switched_off() -> None:
    """An assert is how a bug stops a process: nothing starts Python with -O."""
    pattern = r"PYTHON" + r"OPTIMIZE|python[\w.]* -O"
    fail_on(lines_matching(pattern, unless=lambda path: not path.startswith(("systemd", "Makefile", ".ci"))), "asserts off:")


# Docstrings


def methods(node: ast.ClassDef) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    """The public methods of a class."""
    inner = (each for each in node.body if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef))
    return [each for each in inner if not each.name.startswith("_")]


def public(source: Source) -> Iterator[ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef]:
    """Classes, functions and methods that another file may use; what a function holds inside is its own."""
    for node in ast.iter_child_nodes(source.tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_"):
            yield node
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield from (each for each in methods(node) if each.name not in promised(bool(node.bases)))


@cache
def promised(by_a_base: bool) -> frozenset[str]:
    """Methods documented where they are promised, by a protocol or (``by_a_base``) a base class: done elsewhere, they need no
    words of their own."""
    classes = [node for source in sources(*ROOMS) for node in ast.walk(source.tree) if isinstance(node, ast.ClassDef)]
    wanted = [node for node in classes if by_a_base or any("Protocol" in ast.unparse(base) for base in node.bases)]
    documented = {each.name for node in wanted for each in methods(node) if ast.get_docstring(each)}
    return frozenset(documented | (set(dir(click.Group)) if by_a_base else set()))


def test_everything_public_has_a_docstring() -> None:
    """Modules, classes, functions, methods: one sentence at least, with units and errors where there are any."""
    wrong = [f"{source.path}:1" for source in sources(*ROOMS, "tests") if not ast.get_docstring(source.tree)]
    for source in sources(*ROOMS):
        wrong += [f"{source.path}:{node.lineno}: {node.name}" for node in public(source) if not ast.get_docstring(node)]
    fail_on(wrong, "no docstring:")


def test_every_test_says_what_behaviour_it_shows() -> None:
    """Its name or its docstring is the sentence that is true when it passes; a name of few words is no sentence."""
    wrong = [
        f"{source.path}:{function.lineno}: {function.name}"
        for source in sources("tests")
        for function in functions(source)
        if function.name.startswith("test_") and not ast.get_docstring(function) and function.name.count("_") < SENTENCE_WORDS
    ]
    fail_on(wrong, "no docstring:")


# Documents


def headings(path: Path) -> set[str]:
    """The anchors of a Markdown file, as code forges make them from its headings."""
    text = re.sub(r"^```.*?^```", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    titles = re.findall(r"^#+ (.*)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("document", sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]), ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    """Every relative link of a document names a file that is there, and a heading that is in it."""
    wrong = []
    text = re.sub(r"^```.*?^```", "", document.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    for link in re.findall(r"\[[^\]]*\]\(([^)\s]+)\)", text):
        if not re.match(r"[a-z]+:", link):
            name, _, anchor = link.partition("#")
            target = (document.parent / name) if name else document
            if not target.exists() or (anchor and anchor not in headings(target)):
                wrong.append(f"{document.relative_to(ROOT)}: {link}")
    fail_on(wrong, "a link that leads nowhere:")
