"""Data sets pushed to a hub."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from populace.analysis.export import export_outputs, push_dataset
from populace.core.errors import SetupError


class Hub(BaseHTTPRequestHandler):
    """The part of the Hugging Face hub that takes a folder of small files."""

    commits: list[list[dict[str, Any]]]
    created: list[dict[str, Any]]

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        answer: dict[str, Any] = {}
        if self.path == "/api/repos/create":
            self.created.append(json.loads(body))
            answer = {"url": "http://127.0.0.1/datasets/me/set"}
        elif "/preupload/" in self.path:
            named = [
                {"path": one["path"], "uploadMode": "regular", "shouldIgnore": False}
                for one in json.loads(body)["files"]
            ]
            answer = {"files": named}
        elif "/commit/" in self.path:
            self.commits.append([json.loads(line) for line in body.splitlines()])
            answer = {"commitUrl": "http://127.0.0.1/datasets/me/set/commit/1", "commitOid": "1", "success": True}
        self._answer(answer)

    def do_GET(self) -> None:
        self._answer({"sha": "0" * 40, "id": "me/set", "siblings": [], "private": True, "xetEnabled": False})

    def _answer(self, value: object) -> None:
        text = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Hub]]:
    """A hub on loopback."""
    constants = pytest.importorskip("huggingface_hub.constants")
    Hub.commits, Hub.created = [], []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setattr(constants, "ENDPOINT", address)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setenv("HF_TOKEN", "hf_test")
    yield Hub
    server.shutdown()
    server.server_close()


def test_a_folder_is_pushed_to_a_private_data_set_with_its_card(asked: Path, hub: type[Hub]) -> None:
    folder = asked.with_name("set")
    export_outputs([asked], folder)
    assert push_dataset(folder, "me/set").endswith("/datasets/me/set")
    assert hub.created[0].get("private") is True or hub.created[0]["visibility"] == "private"
    files = {line["value"]["path"] for line in hub.commits[0] if line["key"] == "file"}
    assert files == {"README.md", "data/train-00000.parquet"}


def test_a_hub_that_is_not_there_leaves_the_folder(asked: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pytest.importorskip("huggingface_hub.constants"), "ENDPOINT", "http://127.0.0.1:9")
    folder = asked.with_name("set")
    export_outputs([asked], folder)
    with pytest.raises(SetupError, match=r"could not be pushed to 'me/set'.*The folder is complete"):
        push_dataset(folder, "me/set")
