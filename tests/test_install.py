"""``.ci/install.py``: the first thing that runs on a new machine, before anything is installed."""

import hashlib
import importlib.util
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType
from typing import ClassVar

import pytest

from sources import ROOT

SCRIPT = ROOT / ".ci" / "install.py"
WHEEL = b"not a wheel, but something with a hash"


class Index(BaseHTTPRequestHandler):
    """A package index on this machine; ``seen`` holds path and authorization of every request."""

    pages: ClassVar[dict[str, bytes]] = {}
    seen: ClassVar[list[tuple[str, str | None]]] = []

    def do_GET(self) -> None:
        """Answer with the page, or that there is none."""
        Index.seen.append((self.path, self.headers["Authorization"]))
        body = Index.pages.get(self.path)
        self.send_response(404 if body is None else 200)
        self.end_headers()
        self.wfile.write(body or b"")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script as a module, to which ``WHEEL`` is the right thing to fetch."""
    spec = importlib.util.spec_from_file_location("install_script", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "PIP_SHA256", hashlib.sha256(WHEEL).hexdigest())
    return module


@pytest.fixture
def index(install: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of an index that lists the wheel in its own way: a relative link, escaped, with a fragment."""
    link = f"../files/{install.PIP_WHEEL}?a=1&amp;b=2#sha256=ignored"
    Index.pages = {
        "/simple/pip/": f"<a href='pip-0.2.tar.gz'>old</a> <a data-x href=\"{link}\">new</a>".encode(),
        f"/simple/files/{install.PIP_WHEEL}?a=1&b=2": WHEEL,
    }
    Index.seen = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Index)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    address = f"127.0.0.1:{server.server_port}/simple/"
    monkeypatch.setenv("PIP_INDEX_URL", f"http://{address}")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    yield address
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.usefixtures("index")
def test_pip_is_fetched_from_the_index_that_pip_would_use(install: ModuleType, tmp_path: Path) -> None:
    """The link is found, resolved and followed, and the file is the one whose hash stands in the script."""
    assert install.fetch_pip(tmp_path).read_bytes() == WHEEL


@pytest.mark.usefixtures("index")
def test_a_wheel_of_another_hash_is_refused(install: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the index nor the way to it is trusted."""
    monkeypatch.setattr(install, "PIP_SHA256", "0" * 64)
    with pytest.raises(OSError, match="has sha256"):
        install.fetch_pip(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_name_and_password_of_the_index_are_used(
    install: ModuleType, index: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They stand in the address as for pip, and go out as a header."""
    monkeypatch.setenv("PIP_INDEX_URL", f"http://me:s%40crt@{index}")
    install.fetch_pip(tmp_path)
    assert Index.seen[0] == ("/simple/pip/", "Basic bWU6c0BjcnQ=")


def test_the_index_is_read_from_pips_configuration(
    install: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The environment comes before the file, the file before PyPI."""
    file = tmp_path / "pip.conf"
    file.write_text("[global]\nindex-url = https://mirror.example/simple\n")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(file))
    monkeypatch.setenv("PIP_INDEX_URL", "https://other.example/simple")
    assert install.index_url() == "https://other.example/simple"
    monkeypatch.delenv("PIP_INDEX_URL")
    assert install.index_url() == "https://mirror.example/simple"


def test_an_index_that_is_not_there_is_said_in_a_sentence(
    install: ModuleType, index: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """No traceback, exit status 1, the address, and no half-made environment."""
    monkeypatch.setenv("PIP_INDEX_URL", f"http://{index}elsewhere")
    monkeypatch.setattr(install, "has_ensurepip", lambda: False)
    folder = tmp_path / "venv"
    assert install.main([str(folder), "anything"]) == 1
    assert "elsewhere/pip/: HTTP Error 404" in capsys.readouterr().err
    assert not folder.exists()


def test_make_explains_itself() -> None:
    """``make`` alone lists every target that a person would call."""
    listed = subprocess.run(["make", "--no-print-directory"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for target in ("install", "demo", "test", "test-quick", "check", "format", "bench", "clean"):
        assert f"  make {target} " in listed


def test_make_says_what_is_missing_without_a_python() -> None:
    """No Python that is new enough: one sentence that says what to install."""
    words = ["make", "--no-print-directory", "-B", "PYTHON=", "install"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2
    assert "needs Python 3.11 or newer" in done.stderr
