"""The documents are true: the files and functions they name are there, their commands parse, the README's Python runs."""

import ast
import itertools
import os
import re
import shlex
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click
import pytest

from engine_place import Place
from sources import ROOT, read

DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
SHELL = ("sh", "console", "bash")
PINION = (sys.executable, "-m", "cli.main")


def blocks(document: Path, *languages: str) -> list[str]:
    """The fenced blocks of a document that are in one of the languages."""
    fenced = re.findall(r"^```(\w+)\n(.*?)^```", document.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    return [text for language, text in fenced if language in languages]


def commands(document: Path) -> Iterator[list[str]]:
    """Every ``pinion`` command line of a document's shell blocks, as words, without the program's name and redirections."""
    for line in "\n".join(blocks(document, *SHELL)).splitlines():
        words = shlex.split(line, comments=True)
        if words and words[0].split("/")[-1] == "pinion":
            yield words[1 : words.index(">") if ">" in words else None]


def defined_in(path: Path) -> set[str]:
    """Functions, methods, classes and constants of a Python file."""
    tree = read(path).tree
    names = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)}
    targets = [t for node in tree.body if isinstance(node, ast.Assign) for t in node.targets]
    targets += [node.target for node in tree.body if isinstance(node, ast.AnnAssign)]
    return names | {target.id for target in targets if isinstance(target, ast.Name)}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_files_and_functions_named_are_there(document: Path) -> None:
    """A link to a Python file, with names in code marks behind it: the file has them all."""
    wrong = []
    for label, link, names in re.findall(
        r"\[`([\w/.]+\.py)`\]\(([\w/.]+)\)((?:,? `\w+`)*)", document.read_text(encoding="utf-8")
    ):
        path = (document.parent / link).resolve()
        if not path.exists() or path != ROOT / label:
            wrong.append(f"{label}: no such file")
        else:
            wrong += [f"{label}: no {name}" for name in re.findall(r"\w+", names) if name not in defined_in(path)]
    assert not wrong, f"{document.name}:\n" + "\n".join(wrong)


def test_the_order_path_has_a_file_and_a_function_at_each_stop() -> None:
    """Every numbered stop names both."""
    rows = re.findall(r"^\| \d+ \|.*$", (ROOT / "docs" / "order-path.md").read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert [int(re.findall(r"\d+", row)[0]) for row in rows] == list(range(1, len(rows) + 1))
    assert all(re.search(r"\[`\S+\.py`\]\(\S+\) `\w+`", row) for row in rows)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_commands_in_documents_parse(document: Path) -> None:
    """Every ``pinion`` command in a shell block exists, with every option that it is given."""
    from cli.main import cli

    for words in commands(document):
        command: click.Command = cli
        context = click.Context(cli, info_name="pinion")
        while isinstance(command, click.Group) and words and (found := command.get_command(context, words[0])):
            command, words = found, words[1:]
        assert not isinstance(command, click.Group) or not words, f"{document.name}: no such command: {words}"
        known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
        unknown = [word for word in words if word.startswith("-") and word not in known | {"--help", "-h"}]
        assert not unknown, f"{document.name}: {command.name} has no {unknown}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_shell_blocks_are_shell(document: Path) -> None:
    """The shell parses them, and every target of make is one."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE))
    for block in blocks(document, *SHELL):
        assert subprocess.run(["bash", "-n"], input=block, text=True, capture_output=True).stderr == ""
        assert set(re.findall(r"^make ([a-z-]+)", block, flags=re.MULTILINE)) <= targets


@dataclass(frozen=True)
class Exchange:
    """A running ``pinion up``, and the environment in which it was started."""

    process: subprocess.Popen[str]
    port: int
    folder: Path
    environ: dict[str, str]

    def run(self, *words: str) -> str:
        """What a program prints that is run beside it, from the same folder."""
        done = subprocess.run(words, cwd=self.folder, env=self.environ, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, f"{words}:\n{done.stdout}{done.stderr}"
        return done.stdout


@pytest.fixture
def exchange(place: Place) -> Iterator[Exchange]:
    """``pinion up`` as the README starts it, ready; under a name and a port of its own, so that two runs get on."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    environ = {**os.environ, "PINION_INSTANCE": place.instance, "PINION_GATEWAY_TCP": f"tcp://127.0.0.1:{port}"}
    words, pipe = [*PINION, "up", "--data", "exchange"], subprocess.PIPE
    with subprocess.Popen(words, cwd=place.root, env=environ, stdout=pipe, stderr=subprocess.STDOUT, text=True) as up:
        try:
            assert up.stdout is not None
            seen = list(itertools.takewhile(lambda line: not line.startswith("ready:"), up.stdout))
            assert up.poll() is None, "".join(seen)
            yield Exchange(up, port, place.root, environ)
        finally:
            up.terminate()
            up.communicate(timeout=30)


@pytest.mark.slow
def test_the_first_order_of_the_readme_is_filled(exchange: Exchange) -> None:
    """The README's Python word for word, then its last commands: a fill is printed, the rest is in the book, all ends clean."""
    (block,) = blocks(ROOT / "README.md", "python")
    printed = exchange.run(sys.executable, "-c", block.replace(":7010", f":{exchange.port}"))
    assert re.search(r"TRADE ACME .*40 @ 585.33, 0 left", printed), printed
    answers = [exchange.run(*PINION, *words) for words in commands(ROOT / "README.md") if words[0] != "up"]
    assert "60" in answers[0]
    exchange.process.communicate(timeout=30)
    assert exchange.process.returncode == 0
