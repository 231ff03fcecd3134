"""Make a virtual environment and install requirements into it: ``python3 .ci/install.py FOLDER REQUIREMENT...``.

It runs before anything is installed, so it uses the standard library alone. Debian and Ubuntu ship Python without
``ensurepip`` (it is in a package of its own, which needs root): then pip's wheel is fetched from the package index that pip
itself would use. The wheel's hash is written down here, so that neither the index nor the way to it has to be trusted.
"""

import argparse
import base64
import configparser
import hashlib
import html
import importlib.util
import os
import re
import shutil
import ssl
import subprocess
import sys
import tempfile
import urllib.error
import urllib.parse
import urllib.request
import venv
from pathlib import Path

PIP_WHEEL = "pip-26.1.2-py3-none-any.whl"
PIP_SHA256 = "382ff9f685ee3bc25864f820aa50505825f10f5458ffff07e30a6d96e5715cab"
DEFAULT_INDEX = "https://pypi.org/simple"
MINIMUM_PYTHON = (3, 11)
TIMEOUT_S = 60
PIP_OPTIONS = ("--disable-pip-version-check", "--no-warn-script-location")


def main(arguments: list[str]) -> int:
    """Make the environment and install; returns the exit status."""
    parser = argparse.ArgumentParser(prog="install.py", description="Make a virtual environment and install into it.")
    parser.add_argument("folder", type=Path, help="where the environment goes; one already there is used again")
    parser.add_argument("requirements", nargs="+", help="what pip installs, e.g. -e .[dev] (put -- before options)")
    options = parser.parse_args(arguments)
    if sys.version_info < MINIMUM_PYTHON:
        return fail(f"Pinion needs Python 3.11 or newer; this is {sys.version.split()[0]} ({sys.executable}).")
    python = options.folder / "bin" / "python"
    if not has_pip(python):
        try:
            make_environment(options.folder)
        except (OSError, subprocess.CalledProcessError) as error:
            shutil.rmtree(options.folder, ignore_errors=True)
            return fail(f"cannot make a virtual environment in {options.folder}: {error}")
    say(f"installing {' '.join(options.requirements)} into {options.folder} (a minute or two the first time)")
    return subprocess.run([python, "-m", "pip", "install", *PIP_OPTIONS, *options.requirements]).returncode


def say(what: str) -> None:
    """One line to the person who waits."""
    print(f"== {what}", flush=True)


def fail(why: str) -> int:
    """Say why it ends here; returns the exit status of a failure."""
    print(f"install.py: {why}", file=sys.stderr)
    return 1


def has_pip(python: Path) -> bool:
    """Whether an environment is there already and whole enough to install into."""
    return python.exists() and subprocess.run([python, "-m", "pip", "--version"], capture_output=True).returncode == 0


def has_ensurepip() -> bool:
    """Whether this Python can put pip into an environment by itself."""
    return importlib.util.find_spec("ensurepip") is not None


def make_environment(folder: Path) -> None:
    """A fresh environment with pip in it; raises ``OSError`` or ``CalledProcessError`` where that cannot be."""
    if has_ensurepip():
        say(f"making a virtual environment in {folder} with Python {sys.version.split()[0]}")
        venv.create(folder, clear=True, with_pip=True)
        return
    say(f"making a virtual environment in {folder}; this Python has no ensurepip, so pip comes from the package index")
    venv.create(folder, clear=True, with_pip=False, symlinks=True)
    with tempfile.TemporaryDirectory() as temporary:
        wheel = fetch_pip(Path(temporary))
        # A wheel is a zip with pip in it: Python can run it where it lies.
        command = [folder / "bin" / "python", wheel / "pip", "install", "--no-index", "--quiet", *PIP_OPTIONS, wheel]
        subprocess.run(command, check=True)


def fetch_pip(folder: Path) -> Path:
    """Fetch pip's wheel into ``folder``; raises ``OSError`` when it cannot be had or is not the one meant."""
    index = index_url().rstrip("/") + "/pip/"
    page, index = fetch(index)
    for link in re.findall(r"""href\s*=\s*["']([^"']+)""", page.decode("utf-8", "replace")):
        address = urllib.parse.urljoin(index, html.unescape(link))
        if urllib.parse.urlsplit(address).path.endswith("/" + PIP_WHEEL):
            wheel, _ = fetch(address)
            found = hashlib.sha256(wheel).hexdigest()
            if found != PIP_SHA256:
                raise OSError(f"{PIP_WHEEL} of {index} has sha256 {found} where {PIP_SHA256} is meant")
            path = folder / PIP_WHEEL
            path.write_bytes(wheel)
            return path
    raise OSError(f"{index} lists no {PIP_WHEEL}")


def index_url() -> str:
    """The package index that pip would use: ``PIP_INDEX_URL``, else ``index-url`` of pip's configuration, else PyPI."""
    return os.environ.get("PIP_INDEX_URL") or configured("index-url") or DEFAULT_INDEX


def configured(key: str) -> str:
    """A key of pip's configuration files, the user's before the machine's; empty when none has it."""
    home = Path.home()
    user = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config")
    paths = [user / "pip/pip.conf", home / ".pip/pip.conf", Path("/etc/pip.conf"), Path("/etc/xdg/pip/pip.conf")]
    if os.environ.get("PIP_CONFIG_FILE"):
        paths.insert(0, Path(os.environ["PIP_CONFIG_FILE"]))
    for path in paths:
        parser = configparser.RawConfigParser()
        parser.read(path, encoding="utf-8")
        for section in ("install", "global"):
            if parser.has_option(section, key):
                return parser.get(section, key).strip()
    return ""


def fetch(address: str) -> tuple[bytes, str]:
    """The body behind an address and where it was found in the end; a name and password in the address are used."""
    parts = urllib.parse.urlsplit(address)
    if parts.scheme not in ("https", "http"):
        raise OSError(f"{address}: only http and https are fetched")
    request = urllib.request.Request(parts._replace(netloc=parts.netloc.rpartition("@")[2], fragment="").geturl())
    request.add_header("Accept", "text/html, application/octet-stream;q=0.9, */*;q=0.1")
    request.add_header("User-Agent", "pinion-install")
    if parts.username:
        words = f"{urllib.parse.unquote(parts.username)}:{urllib.parse.unquote(parts.password or '')}"
        request.add_header("Authorization", "Basic " + base64.b64encode(words.encode()).decode())
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S, context=tls_context()) as answer:
            return answer.read(), answer.url
    except urllib.error.URLError as error:
        raise OSError(f"{request.full_url}: {error}") from error


def tls_context() -> ssl.SSLContext:
    """TLS by the machine's certificates (or ``PIP_CERT``); a machine that has none is served all the same.

    A bare Debian has no certificates at all. What is fetched is held against ``PIP_SHA256``, so nothing is lost by it.
    """
    context = ssl.create_default_context(cafile=os.environ.get("PIP_CERT") or configured("cert") or None)
    folder = ssl.get_default_verify_paths().capath
    if not context.get_ca_certs() and not (folder and any(Path(folder).glob("*.0"))):
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
