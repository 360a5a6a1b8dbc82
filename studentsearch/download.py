"""One file from the network: cached, resumed, and checked by its hash before it gets its name."""

import hashlib
import http.client
import os
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

from studentsearch.disk import open_own
from studentsearch.errors import DiskError, InputFileError

_CHUNK_BYTES = 1 << 16
_TIMEOUT_SECONDS = 30.0


def fetch(url: str, destination: Path, *, sha256: str | None) -> Path:
    """The file behind `url`, at `destination`; a file already there with the right hash is not touched.

    An interrupted download stays as `destination` + `.part` and is continued by the next call. Where no hash is known
    nothing could prove that both halves belong together, so that download starts from the beginning.

    Args:
        url: An http or https address.
        destination: Where the file shall lie; its folder is made.
        sha256: Hash in hexadecimal, or its first digits; None where none is published (the size is still checked).

    Returns:
        `destination`.

    Raises:
        InputFileError: No network, an answer other than the file, fewer bytes than announced, or another hash.
    """
    if destination.exists():
        _check_hash(destination, sha256, cure="delete the file to fetch it again")
        return destination
    part = destination.with_name(destination.name + ".part")
    _make_folder(destination.parent)
    if sha256 is None:
        part.unlink(missing_ok=True)
    _receive(url, part)
    try:
        _check_hash(part, sha256, cure=f"the file behind {url} has changed or was altered on its way; try again")
    except InputFileError:
        part.unlink()
        raise
    part.replace(destination)
    return destination


def file_sha256(path: Path) -> str:
    """The SHA-256 of a file's bytes.

    Args:
        path: A readable file.

    Returns:
        64 hexadecimal digits.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _check_hash(path: Path, sha256: str | None, *, cure: str) -> None:
    if sha256 is None:
        return
    found = file_sha256(path)
    if not found.startswith(sha256.lower()):
        raise InputFileError(f"{path}: found SHA-256 {found}, expected {sha256}; {cure}")


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DiskError(f"cannot make the folder {folder}: {error.strerror}; choose another place") from error


def _receive(url: str, part: Path) -> None:
    with _open(url, part) as response:
        offset = part.stat().st_size if response.status == http.client.PARTIAL_CONTENT else 0
        length = response.headers["Content-Length"]
        total = None if length is None else offset + int(length)
        try:
            # Not through a link that lies there: it could lead to any file of the user's.
            flags = os.O_WRONLY | os.O_CREAT | (os.O_APPEND if offset else os.O_TRUNC)
            with open_own(part, flags, "ab" if offset else "wb") as file:
                while chunk := _read_chunk(response, url):
                    file.write(chunk)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise DiskError(
                f"cannot write {part}: {error.strerror}; free some space or choose another place"
            ) from error
    received = part.stat().st_size
    if total is not None and received != total:
        raise InputFileError(f"{url}: the connection ended after {received} of {total} bytes; run again to continue")


def _open(url: str, part: Path) -> http.client.HTTPResponse:
    """The answer to a request for what `part` still lacks; the whole file where the server cannot continue it.

    Args:
        url: What to ask for.
        part: What is there already, if anything; deleted when it is not a beginning of the file.

    Returns:
        An open response, status 206 when it continues `part`.

    Raises:
        InputFileError: The server cannot be reached or refuses.
    """
    offset = part.stat().st_size if part.exists() else 0
    headers = {"User-Agent": "studentsearch"} | ({"Range": f"bytes={offset}-"} if offset else {})
    try:
        response: http.client.HTTPResponse = urllib.request.urlopen(
            urllib.request.Request(url, headers=headers), timeout=_TIMEOUT_SECONDS
        )
    except urllib.error.HTTPError as error:
        error.close()
        if offset and error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
            part.unlink()
            return _open(url, part)
        raise InputFileError(
            f"{url}: the server answered {error.code} {error.reason}, expected the file; check the address"
        ) from error
    except (OSError, http.client.HTTPException) as error:
        raise InputFileError(_unreachable(url, error)) from error
    if response.status == http.client.PARTIAL_CONTENT and not _continues(response, offset):
        response.close()
        if not offset:
            raise InputFileError(f"{url}: the server answered with a piece, expected the whole file; check the address")
        part.unlink()
        return _open(url, part)
    return response


def _continues(response: http.client.HTTPResponse, offset: int) -> bool:
    return offset > 0 and (response.headers["Content-Range"] or "").startswith(f"bytes {offset}-")


def _read_chunk(response: http.client.HTTPResponse, url: str) -> bytes:
    try:
        return response.read(_CHUNK_BYTES)
    except (OSError, http.client.HTTPException) as error:
        raise InputFileError(f"{url}: the connection broke ({error}); run again to continue") from error


def _unreachable(url: str, error: Exception) -> str:
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    return (
        f"cannot reach {urlsplit(url).netloc} ({reason}); check the network, or fetch {url} elsewhere and "
        "put the file in place yourself"
    )
