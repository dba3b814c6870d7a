"""Fetching a file from an address, against a server on this machine."""

import gzip
import hashlib
import logging
import socket
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import requests

from mhclf.data import fetch
from mhclf.data.fetch import fetch_file
from mhclf.errors import ConfigError, DataError

BODY = b"text,label\nI slept badly,1\n" * 400
SHA = hashlib.sha256(BODY).hexdigest()
PACKED = gzip.compress(BODY, mtime=0)
PACKED_SHA = hashlib.sha256(PACKED).hexdigest()
ELSEWHERE = "et the file 'rows.csv' another way and give its folder with --data-root DIR or the environment variable "
ELSEWHERE += "MHCLF_DATA."


@pytest.fixture(autouse=True)
def _online(monkeypatch):
    """The server of these tests is on this machine; every other test stays off the network."""
    monkeypatch.delenv("HF_HUB_OFFLINE")


class Server(ThreadingHTTPServer):
    """Answers `GET /path` from `answers` (status, headers, body) and notes each request."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers = {}
        self.asked = []

    def put(self, path, body=BODY, status=200, **headers):
        self.answers[path] = (status, {"Content_Length": str(len(body))} | headers, body)
        return f"http://127.0.0.1:{self.server_port}{path}"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.asked.append(self.path)
        status, headers, body = self.server.answers.get(self.path, (404, {"Content_Length": "0"}, b""))
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def refused(kind, url, sha256=SHA, cache=None):
    with pytest.raises(kind) as error:
        fetch_file(url, sha256, cache=cache)
    return str(error.value).replace(url, "URL")


def names(folder):
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


def test_a_file_is_fetched_once(server, tmp_path, caplog, capsys):
    url = server.put("/some/folder/rows.csv?download=1")
    with caplog.at_level(logging.INFO, "mhclf.data.fetch"):
        path = fetch_file(url, SHA, cache=tmp_path / "new" / "cache")
    assert path == tmp_path / "new" / "cache" / f"{SHA[:12]}-rows.csv" and path.read_bytes() == BODY
    assert names(path.parent) == [path.name]
    assert caplog.messages == [f"downloading {url}"]
    caplog.clear()
    assert fetch_file(url, SHA.upper(), cache=path.parent) == path
    assert server.asked == ["/some/folder/rows.csv?download=1"] and caplog.messages == []
    assert capsys.readouterr() == ("", "")


def test_without_a_folder_it_lies_in_the_cache_of_the_library(server, tmp_path, monkeypatch):
    monkeypatch.setenv("MHCLF_CACHE", str(tmp_path / "root"))
    assert fetch_file(server.put("/rows.csv"), SHA) == tmp_path / "root" / "data" / f"{SHA[:12]}-rows.csv"


def test_a_terminal_shows_a_bar(server, tmp_path, monkeypatch, capsys, caplog):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    with caplog.at_level(logging.INFO, "mhclf.data.fetch"):
        fetch_file(server.put("/rows.csv"), SHA, cache=tmp_path)
    assert "100%" in capsys.readouterr().err and caplog.messages == []


@pytest.mark.parametrize("headers", [{}, {"Content_Encoding": "gzip"}, {"Content_Encoding": "x-gzip"}])
def test_a_packed_file_stays_packed_whatever_the_server_calls_it(server, tmp_path, headers):
    path = fetch_file(server.put("/rows.csv.gz", PACKED, **headers), PACKED_SHA, cache=tmp_path)
    assert path.name == f"{PACKED_SHA[:12]}-rows.csv.gz" and path.read_bytes() == PACKED


def test_a_plain_file_that_the_server_packs_for_the_way_is_unpacked(server, tmp_path):
    url = server.put("/rows.csv", PACKED, Content_Encoding="gzip")
    assert fetch_file(url, SHA, cache=tmp_path).read_bytes() == BODY


def test_a_redirect_keeps_the_name_of_the_address_given(server, tmp_path):
    server.put("/store/8f3a")
    path = fetch_file(server.put("/rows.csv", b"", 302, Location="/store/8f3a"), SHA, cache=tmp_path)
    assert path.name == f"{SHA[:12]}-rows.csv" and path.read_bytes() == BODY


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("/a%2F..%2F..%2Frows%20one.csv", "a_.._.._rows_one.csv"),
        ("/%C3%A9t%C3%A9.csv", "_t_.csv"),
        ("/" + "x" * 300 + ".csv", "x" * 96 + ".csv"),
        ("/", "file"),
    ],
)
def test_a_strange_address_makes_a_plain_name(server, tmp_path, address, name):
    assert fetch_file(server.put(address), SHA, cache=tmp_path).name == f"{SHA[:12]}-{name}"
    assert names(tmp_path) == [f"{SHA[:12]}-{name}"]


def test_a_body_that_breaks_off(server, tmp_path):
    url = server.put("/rows.csv", BODY[:5000], Content_Length=str(len(BODY)))
    assert refused(DataError, url, cache=tmp_path) == (
        f"URL: the download broke off (5000 of {len(BODY)} bytes came). Try again, or g{ELSEWHERE}"
    )
    assert names(tmp_path) == []


def test_a_file_that_is_another(server, tmp_path):
    other = BODY.replace(b"badly", b"well.")
    message = refused(DataError, server.put("/rows.csv", other), cache=tmp_path)
    assert message == (
        f"URL: {len(other)} bytes came with SHA-256 {hashlib.sha256(other).hexdigest()}, expected {SHA}. "
        "Nothing was kept. The file there was changed, or something on the way answered in its place: "
        "compare with what its owners publish before you change the hash in the data set's YAML."
    )
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    ("status", "answer", "advice"),
    [
        (404, "404 Not Found", "Check the address in the data set's YAML, or g"),
        (500, "500 Internal Server Error", "Check the address in the data set's YAML, or g"),
        (403, "403 Forbidden", "The file is not public: ask its owners for access, then g"),
        (401, "401 Unauthorized", "The file is not public: ask its owners for access, then g"),
    ],
)
def test_a_server_that_says_no(server, tmp_path, status, answer, advice):
    url = server.put("/rows.csv", b"no", status)
    assert refused(DataError, url, cache=tmp_path) == f"URL: the server answered {answer}. {advice}{ELSEWHERE}"
    assert names(tmp_path) == []


def closed_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def test_nobody_there(server, tmp_path):
    assert refused(DataError, f"http://127.0.0.1:{closed_port()}/rows.csv", cache=tmp_path) == (
        f"URL: cannot be reached (Connection refused). Check the network, or g{ELSEWHERE}"
    )


def test_a_name_that_no_server_has(monkeypatch, tmp_path):
    def unknown(*_, **__):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    assert refused(DataError, "https://data.invalid/rows.csv", cache=tmp_path) == (
        f"URL: cannot be reached (Name or service not known). Check the network, or g{ELSEWHERE}"
    )


def test_a_server_that_never_answers(monkeypatch, tmp_path):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(fetch, "_TIMEOUT", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as mute:
        assert refused(DataError, f"http://127.0.0.1:{mute.getsockname()[1]}/rows.csv", cache=tmp_path) == (
            f"URL: cannot be reached (no answer in 0 seconds). Check the network, or g{ELSEWHERE}"
        )


def test_an_address_that_goes_in_circles(server, tmp_path):
    url = server.put("/rows.csv", b"", 302, Location="/rows.csv")
    assert refused(DataError, url, cache=tmp_path) == (
        f"URL: cannot be reached (Exceeded 30 redirects.). Check the network, or g{ELSEWHERE}"
    )


def test_an_edited_copy_is_replaced(server, tmp_path):
    url = server.put("/rows.csv")
    path = fetch_file(url, SHA, cache=tmp_path)
    path.write_bytes(b"mine")
    assert fetch_file(url, SHA, cache=tmp_path).read_bytes() == BODY
    assert len(server.asked) == 2 and names(tmp_path) == [path.name]


def test_an_edited_copy_without_a_network(tmp_path, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    path = tmp_path / f"{SHA[:12]}-rows.csv"
    path.write_bytes(b"mine")
    message = refused(DataError, f"http://127.0.0.1:{closed_port()}/rows.csv", cache=tmp_path)
    assert message == (
        f"{path}: was changed in the cache (SHA-256 {hashlib.sha256(b'mine').hexdigest()}, expected {SHA}) and could "
        f"not be fetched anew. URL: cannot be reached (Connection refused). Check the network, or g{ELSEWHERE}"
    )
    assert path.read_bytes() == b"mine"


def test_a_whole_copy_needs_no_network(tmp_path):
    (tmp_path / f"{SHA[:12]}-rows.csv").write_bytes(BODY)
    assert fetch_file(f"http://127.0.0.1:{closed_port()}/rows.csv", SHA, cache=tmp_path).read_bytes() == BODY


def test_a_cache_that_cannot_be_written(server, tmp_path):
    (tmp_path / "cache").write_text("a file")
    url = server.put("/rows.csv")
    assert refused(DataError, url, cache=tmp_path / "cache") == (
        f"{tmp_path / 'cache' / (SHA[:12] + '-rows.csv')}: the cache cannot be read (Not a directory). "
        "Name another folder in the environment variable MHCLF_CACHE."
    )
    (tmp_path / "link").symlink_to(tmp_path / "none" / "there")
    assert refused(DataError, url, cache=tmp_path / "link") == (
        f"{tmp_path / 'link'}: the cache cannot be written (File exists). "
        "Name another folder in the environment variable MHCLF_CACHE."
    )


def test_a_full_disk(server, tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    url = server.put("/rows.csv")
    monkeypatch.setattr("shutil.move", full)
    assert refused(DataError, url, cache=tmp_path) == (
        f"{tmp_path}: the cache cannot be written (No space left on device). "
        "Name another folder in the environment variable MHCLF_CACHE."
    )
    assert names(tmp_path) == []


def test_threads_and_processes_at_once(server, tmp_path):
    url = server.put("/rows.csv")
    line = "import sys; from mhclf.data.fetch import fetch_file; from pathlib import Path; "
    line += "assert fetch_file(sys.argv[1], sys.argv[2], cache=Path(sys.argv[3])).stat().st_size == int(sys.argv[4])"
    command = [sys.executable, "-c", line, url, SHA, str(tmp_path), str(len(BODY))]
    others = [subprocess.Popen(command) for _ in range(2)]
    seen = []
    threads = [
        threading.Thread(target=lambda: seen.append(fetch_file(url, SHA, cache=tmp_path).read_bytes()))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [other.wait() for other in others] == [0, 0]
    assert seen == [BODY] * 4 and names(tmp_path) == [f"{SHA[:12]}-rows.csv"]


@pytest.mark.parametrize("sha256", ["", "abc", SHA[:-1], SHA + "0", SHA[:-1] + "g", "sha256:" + SHA, SHA + "\n"])
def test_a_malformed_hash(server, tmp_path, sha256):
    assert refused(ConfigError, server.put("/rows.csv"), sha256, tmp_path) == (
        f"URL: '{sha256}' is no SHA-256. Give its 64 hexadecimal digits (sha256sum prints them)."
    )
    assert server.asked == []


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/rows.csv", "file:///rows.csv", "rows.csv", "http:///rows.csv", ""])
def test_an_address_of_another_kind(tmp_path, url):
    with pytest.raises(ConfigError) as error:
        fetch_file(url, SHA, cache=tmp_path)
    assert str(error.value) == (
        f"'{url}' is no http or https address. Give one, or a file on disk with 'source: files'."
    )


def test_a_broken_address(tmp_path):
    assert refused(ConfigError, "http://[::1/rows.csv") == (
        "'URL' is no valid address (Invalid IPv6 URL). Mend it in the data set's YAML."
    )


def test_a_redirect_to_a_file_on_this_machine_is_refused(server, tmp_path):
    (tmp_path / "secret").write_bytes(BODY)
    url = server.put("/rows.csv", b"", 302, Location=f"file://{tmp_path}/secret")
    message = refused(DataError, url, cache=tmp_path / "cache")
    assert message.startswith("URL: cannot be reached (No connection adapters were found for 'file://")


def test_the_library_is_imported_without_the_packages_that_fetch():
    code = "import sys, mhclf.data.fetch; sys.exit('requests' in sys.modules or 'pooch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
    assert requests.__version__


def test_offline_means_offline(monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(DataError) as error:
        fetch_file("https://example.org/posts.csv", "0" * 64, cache=tmp_path)
    assert str(error.value) == (
        "https://example.org/posts.csv: is not in the cache, and HF_HUB_OFFLINE is set. Unset it, or get the file "
        "'posts.csv' another way and give its folder with --data-root DIR or the environment variable MHCLF_DATA."
    )
