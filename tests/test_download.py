"""Downloads against a server of this process's own: cached, resumed, checked."""

import hashlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from studentsearch.download import fetch, file_sha256
from studentsearch.errors import DiskError, InputFileError

CONTENT = bytes(range(256)) * 1024
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@dataclass(kw_only=True)
class Server:
    """What the server does, and what it was asked."""

    url: str = ""
    knows_ranges: bool = True
    breaks_after: int | None = None
    ranges: list[str | None] = field(default_factory=list)


@pytest.fixture
def server() -> Iterator[Server]:
    behaviour = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path != "/weights.pt":
                self.send_error(404)
                return
            asked = self.headers["Range"]
            behaviour.ranges.append(asked)
            first = int(asked.removeprefix("bytes=").removesuffix("-")) if asked and behaviour.knows_ranges else 0
            if first >= len(CONTENT):
                self.send_error(416)
                return
            self.send_response(206 if first else 200)
            if first:
                self.send_header("Content-Range", f"bytes {first}-{len(CONTENT) - 1}/{len(CONTENT)}")
            self.send_header("Content-Length", str(len(CONTENT) - first))
            self.end_headers()
            self.wfile.write(CONTENT[first : behaviour.breaks_after])

        def log_message(self, format: str, *args: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listener:
        behaviour.url = f"http://127.0.0.1:{listener.server_port}/weights.pt"
        thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield behaviour
        listener.shutdown()
        thread.join()


def part_of(destination: Path) -> Path:
    return destination.with_name(destination.name + ".part")


def test_whole_file_arrives(server: Server, tmp_path: Path) -> None:
    path = fetch(server.url, tmp_path / "a" / "w.pt", sha256=SHA256)
    assert path.read_bytes() == CONTENT
    assert file_sha256(path) == SHA256
    assert not part_of(path).exists()


def test_file_with_the_right_hash_is_not_fetched(server: Server, tmp_path: Path) -> None:
    path = tmp_path / "w.pt"
    path.write_bytes(CONTENT)
    before = path.stat().st_mtime_ns
    assert fetch(server.url, path, sha256=SHA256[:8].upper()) == path
    assert fetch(server.url, path, sha256=None) == path
    assert server.ranges == []
    assert path.stat().st_mtime_ns == before


def test_existing_file_with_another_hash_is_kept_and_refused(server: Server, tmp_path: Path) -> None:
    path = tmp_path / "w.pt"
    path.write_bytes(b"mine")
    with pytest.raises(InputFileError, match=rf"found SHA-256 \w{{64}}, expected {SHA256}; delete the file"):
        fetch(server.url, path, sha256=SHA256)
    assert path.read_bytes() == b"mine"


def test_part_is_continued(server: Server, tmp_path: Path) -> None:
    path = tmp_path / "w.pt"
    part_of(path).write_bytes(CONTENT[:1000])
    assert fetch(server.url, path, sha256=SHA256).read_bytes() == CONTENT
    assert server.ranges == ["bytes=1000-"]


def test_broken_connection_leaves_a_part_that_the_next_call_continues(server: Server, tmp_path: Path) -> None:
    path = tmp_path / "w.pt"
    server.breaks_after = 70_000
    with pytest.raises(InputFileError, match=r"run again to continue"):
        fetch(server.url, path, sha256=SHA256)
    assert not path.exists()
    kept = part_of(path).stat().st_size
    assert 0 < kept <= 70_000
    server.breaks_after = None
    assert fetch(server.url, path, sha256=SHA256).read_bytes() == CONTENT
    assert server.ranges == [None, f"bytes={kept}-"]


def test_server_without_ranges_sends_all_again(server: Server, tmp_path: Path) -> None:
    path = tmp_path / "w.pt"
    part_of(path).write_bytes(b"x" * 1000)
    server.knows_ranges = False
    assert fetch(server.url, path, sha256=SHA256).read_bytes() == CONTENT


def test_part_longer_than_the_file_starts_over(server: Server, tmp_path: Path) -> None:
    path = tmp_path / "w.pt"
    part_of(path).write_bytes(CONTENT + b"x")
    assert fetch(server.url, path, sha256=SHA256).read_bytes() == CONTENT
    assert server.ranges == [f"bytes={len(CONTENT) + 1}-", None]


def test_without_a_hash_a_part_is_not_trusted(server: Server, tmp_path: Path) -> None:
    path = tmp_path / "w.pt"
    part_of(path).write_bytes(b"x" * 1000)
    assert fetch(server.url, path, sha256=None).read_bytes() == CONTENT
    assert server.ranges == [None]


def test_another_hash_is_refused_and_the_part_deleted(server: Server, tmp_path: Path) -> None:
    path = tmp_path / "w.pt"
    with pytest.raises(InputFileError, match=rf"found SHA-256 {SHA256}, expected 00000000; the file behind"):
        fetch(server.url, path, sha256="00000000")
    assert list(tmp_path.iterdir()) == []


def test_missing_page_is_one_line(server: Server, tmp_path: Path) -> None:
    with pytest.raises(InputFileError, match=r"the server answered 404 Not Found, expected the file") as caught:
        fetch(server.url + "x", tmp_path / "w.pt", sha256=None)
    assert "\n" not in str(caught.value)


def test_no_network_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputFileError, match=r"cannot reach 127\.0\.0\.1:9 \(.*refused.*\); check the network"):
        fetch("http://127.0.0.1:9/weights.pt", tmp_path / "w.pt", sha256=None)


def test_unwritable_folder_is_a_disk_error(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DiskError, match=r"cannot make the folder .*; choose another place"):
        fetch(server.url, tmp_path / "file" / "w.pt", sha256=None)
