"""Data sets from the Hugging Face hub: a folder of the same layout, and a small hub on this machine."""

import errno
import json
import os
import re
import socket
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import datasets
import pandas as pd
import pytest
from datasets.exceptions import DatasetGenerationError, DatasetNotFoundError
from huggingface_hub.errors import LocalEntryNotFoundError, OfflineModeIsEnabled
from huggingface_hub.utils import hf_raise_for_status, httpx

from mhclf.data.hub_source import read_hub
from mhclf.errors import ConfigError, DataError

FIRST, SECOND = "a" * 40, "b" * 40
SPLITS = {"train": "train", "test": "test"}
ACCESS = "Ask the owners by mail."
ENTER = f"{ACCESS} Then log in with 'hf auth login' (or set HF_TOKEN). "
ENTER += "With a copy on disk, say 'source: files' in the data set's YAML."


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "hf")


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "set"
    folder.mkdir()
    train = {"text": ["café", ""], "label": pd.array([12345678901234567, None], dtype="Int64"), "why": [["a"], []]}
    pd.DataFrame(train).to_parquet(folder / "train.parquet")
    test = {"text": ["c"], "label": pd.array([0], dtype="Int64"), "why": [["b", "c"]]}
    pd.DataFrame(test).to_parquet(folder / "test.parquet")
    return str(folder)


def refused(repository, splits=SPLITS, revision=FIRST, kind=DataError):
    with pytest.raises(kind) as error:
        read_hub(repository, revision, splits, ACCESS)
    return str(error.value).replace(repository, "SET")


def test_a_folder_is_read_with_our_names_and_the_cells_as_they_are(folder):
    frames = read_hub(folder, FIRST, {"train": "train", "validation": "test", "test": "train[1:]"}, ACCESS)
    assert list(frames) == ["train", "validation", "test"]
    assert frames["train"]["text"].tolist() == ["café", ""]
    assert [repr(value) for value in frames["train"]["label"]] == ["12345678901234567", "None"]
    assert [list(value) for value in frames["train"]["why"]] == [["a"], []]
    assert frames["validation"]["text"].tolist() == ["c"] and frames["test"]["text"].tolist() == [""]
    assert all(isinstance(frame.index, pd.RangeIndex) for frame in frames.values())


def test_a_folder_of_text_files(tmp_path):
    (tmp_path / "train.csv").write_text("text,label\na,1\n", encoding="utf-8")
    frames = read_hub(str(tmp_path), FIRST, {"train": "train"}, ACCESS)
    assert frames["train"].to_dict("records") == [{"text": "a", "label": 1}]


def test_a_split_that_is_not_there(folder):
    assert refused(folder, {"train": "train", "validation": "dev"}) == (
        "SET: cannot be read (Unknown split \"dev\". Should be one of ['train', 'test']). "
        f"Check 'splits' and 'repository' in the data set's YAML. {ENTER}"
    )
    assert refused(folder, {"train": "train[:"}).startswith(
        "SET: cannot be read (Unrecognized instruction format: train[:). "
    )


def test_a_folder_without_data(tmp_path):
    (tmp_path / "set").mkdir()
    assert refused(str(tmp_path / "set")) == (
        "SET: cannot be read (The directory at SET doesn't contain any data files). "
        f"Check 'splits' and 'repository' in the data set's YAML. {ENTER}"
    )


def test_code_that_comes_with_a_data_set_is_not_run(tmp_path):
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "set.py").write_text("raise SystemExit('was run')")
    assert refused(str(tmp_path / "set")) == (
        "SET: cannot be read (Dataset scripts are no longer supported, but found set.py). "
        f"Check 'splits' and 'repository' in the data set's YAML. {ENTER}"
    )


@pytest.mark.parametrize("name", ["csv", "", "owner/name/part", "hf://datasets/owner/name", "owner name/set"])
def test_a_name_that_no_data_set_has(name):
    with pytest.raises(ConfigError) as error:
        read_hub(name, FIRST, SPLITS, ACCESS)
    assert str(error.value) == (f"'{name}' is no folder, and no name on the Hugging Face hub. Give it as 'owner/name'.")


def test_a_folder_called_like_a_reader_is_a_folder(tmp_path, monkeypatch):
    (tmp_path / "csv").mkdir()
    (tmp_path / "csv" / "train.csv").write_text("text\ninside\n", encoding="utf-8")
    (tmp_path / "train.csv").write_text("text\noutside\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert read_hub("csv", FIRST, {"train": "train"}, ACCESS)["train"]["text"].tolist() == ["inside"]


def test_no_splits(folder):
    assert refused(folder, {}, kind=ConfigError) == (
        "SET: no splits are named. Give a line 'our split: split on the hub' for each."
    )


def answered(status, code="", said=""):
    """Return the error that huggingface_hub makes of a server's answer."""
    request = httpx.Request("GET", "https://huggingface.co/api/datasets/owner/gated-set")
    headers = {"X-Error-Code": code} if code else {}
    if said:
        headers["X-Error-Message"] = said
    try:
        hf_raise_for_status(httpx.Response(status, headers=headers, request=request))
    except OSError as error:
        return error
    raise AssertionError


GATED = f"SET: is gated on the Hugging Face hub. {ENTER}"
MISSING = f"SET: the Hugging Face hub has no such data set, or does not show it to you. {ENTER}"
REVISION = f"SET: the Hugging Face hub has no revision '{FIRST}' of it. Check 'revision' in the YAML. {ENTER}"
AWAY = (
    "SET: the Hugging Face hub cannot be reached (REASON). Check the network, or set HF_HUB_OFFLINE=1 to use a "
    f"copy from an earlier run. {ENTER}"
)
ERRORS = [
    (answered(401, "GatedRepo"), GATED),
    (answered(403, "GatedRepo"), GATED),
    # The two that `datasets` makes of them.
    (DatasetNotFoundError("Dataset 'owner/gated-set' is a gated dataset on the Hub. You must be authenticated to "
     "access it."), GATED),
    (DatasetNotFoundError("Dataset 'owner/gated-set' is a gated dataset on the Hub. Visit the dataset page at "
     "https://huggingface.co/datasets/owner/gated-set to ask for access."), GATED),
    (DatasetNotFoundError("Dataset 'owner/gated-set' doesn't exist on the Hub or cannot be accessed."), MISSING),
    (answered(401), MISSING),
    (answered(404, "RepoNotFound"), MISSING),
    (answered(404, "RevisionNotFound"), REVISION),
    (DatasetNotFoundError(f"Revision '{FIRST}' doesn't exist for dataset 'owner/gated-set' on the Hub."), REVISION),
    (answered(403, said="Access to this resource is disabled."),
     f"SET: the Hugging Face hub refused (403 Client Error). {ENTER}"),
    (ConnectionError("Couldn't reach 'owner/gated-set' on the Hub (ConnectError)"),
     AWAY.replace("REASON", "Couldn't reach 'SET' on the Hub (ConnectError)")),
    (httpx.ConnectTimeout("timed out"), AWAY.replace("REASON", "timed out")),
    (LocalEntryNotFoundError("no entry."), AWAY.replace("REASON", "no entry")),
    (DatasetGenerationError("An error occurred while generating the dataset\n\nmore"),
     "SET: cannot be read (An error occurred while generating the dataset). "
     f"Check 'splits' and 'repository' in the data set's YAML. {ENTER}"),
    (OSError(), f"SET: cannot be read (OSError). Check 'splits' and 'repository' in the data set's YAML. {ENTER}"),
]  # fmt: skip


@pytest.mark.parametrize(("error", "message"), ERRORS)
def test_what_the_libraries_raise(monkeypatch, error, message):
    def load_dataset(repository, **options):
        assert options == {"revision": FIRST, "split": ["train", "test"]}
        raise error

    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.HfApi.dataset_info", lambda *_, **__: None)
    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    assert refused("owner/gated-set") == message


def test_offline_mode_without_a_copy():
    message = f"SET: is not in the cache of Hugging Face, and HF_HUB_OFFLINE is set. Unset it. {ENTER}"
    assert refused("owner/name") == message
    assert issubclass(OfflineModeIsEnabled, ConnectionError)


FILES = {"train.csv": b"text,label\na,1\nb,0\n", "test.csv": b"text,label\nc,1\n"}


class Hub(BaseHTTPRequestHandler):
    """As much of the hub as one data set of two files needs: owner/name; owner/gated is closed, others are not."""

    def answer(self):
        path = self.path.split("?")[0]
        code, headers, body = 404, {"X-Error-Code": "EntryNotFound"}, b""
        if "owner/name" not in path and "owner/gated" not in path:
            code, headers = 401, {"X-Error-Code": "RepoNotFound"}
        elif path.endswith("c" * 40):
            headers = {"X-Error-Code": "RevisionNotFound"}
        elif match := re.fullmatch(r"/api/datasets/(owner/\w+)/revision/(\w+)", path):
            code, headers, body = 200, {}, json.dumps({"id": match[1], "sha": match[2], "siblings": []}).encode()
        elif "/owner/gated/" in path:
            code, headers = 401, {"X-Error-Code": "GatedRepo"}
        elif re.fullmatch(r"/api/datasets/owner/name/tree/\w{40}", path):
            tree = [{"type": "file", "path": name, "size": len(FILES[name]), "oid": "1" * 40} for name in FILES]
            code, headers, body = 200, {}, json.dumps(tree).encode()
        elif (name := path.rpartition("/")[2]) in FILES:
            code, headers, body = 200, {"ETag": f'"{name}"', "X-Repo-Commit": path.split("/")[5]}, FILES[name]
        self.send_response(code)
        for key, value in (headers | {"Content-Length": str(len(body))}).items():
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(b"" if self.command == "HEAD" else body)

    do_GET = do_HEAD = answer

    def log_message(self, *_):
        pass


@pytest.fixture
def endpoint():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


CLIENT = """
import json, sys, time
from mhclf.data.hub_source import read_hub
from mhclf.errors import DataError
import datasets
for name, revision in json.loads(sys.argv[1]):
    start = time.monotonic()
    try:
        frames = read_hub(name, revision, {"train": "train", "test": "test"}, "Ask the owners by mail.")
        said = {split: frame.to_dict("records") for split, frame in frames.items()}
    except DataError as error:
        said = str(error).replace(name, "SET", 1)
    print(json.dumps([said, time.monotonic() - start]))
"""


def client(tmp_path, endpoint, asks, offline="0"):
    """Run `read_hub` in a process of its own: the libraries read the address of the hub when they are imported."""
    environment = {
        **os.environ,
        "HF_ENDPOINT": endpoint,
        "HF_HOME": str(tmp_path / "home"),
        "HF_HUB_OFFLINE": offline,
        "HF_HUB_ETAG_TIMEOUT": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "NO_PROXY": "127.0.0.1",
        "no_proxy": "127.0.0.1",
    }
    environment.pop("HF_DATASETS_CACHE", None)
    environment.pop("HF_DATASETS_OFFLINE", None)
    command = [sys.executable, "-c", CLIENT, json.dumps(asks)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    said = [json.loads(line) for line in done.stdout.splitlines()]
    # Without our bound the libraries retry: 23 seconds where nobody listens, minutes where nobody answers.
    assert all(seconds < 10 for _, seconds in said)
    return [what for what, _ in said]


ROWS = {"train": [{"text": "a", "label": 1}, {"text": "b", "label": 0}], "test": [{"text": "c", "label": 1}]}


def test_a_hub(tmp_path, endpoint):
    asks = [("owner/name", FIRST), ("owner/gated", FIRST), ("owner/none", FIRST), ("owner/name", "c" * 40)]
    assert client(tmp_path, endpoint, asks) == [ROWS, GATED, MISSING, REVISION.replace(FIRST, "c" * 40)]
    # Then without a network: the copy that was kept, and no other revision in its name.
    copy = tmp_path / "home" / "datasets" / "owner___name" / "default" / "0.0.0" / FIRST
    assert client(tmp_path, endpoint, [("owner/name", FIRST), ("owner/name", SECOND)], offline="1") == [
        ROWS,
        f"SET: the copy in the cache is of revision {FIRST}, not {SECOND}. Load the data set once with a network "
        f"(without HF_HUB_OFFLINE); if this message stays, remove {copy}.",
    ]


def test_a_hub_that_cannot_be_reached(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as mute:
        port = mute.getsockname()[1]
        waited = client(tmp_path, f"http://127.0.0.1:{port}", [("owner/name", FIRST)])
    closed = client(tmp_path, f"http://127.0.0.1:{port}", [("owner/name", FIRST)])
    assert waited == [AWAY.replace("REASON", "timed out")]
    assert closed == [AWAY.replace("REASON", f"[Errno {errno.ECONNREFUSED}] Connection refused")]
