"""Trace files as text: opened, decompressed and checked, in bounded memory."""

from __future__ import annotations

import stat
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from twin.errors import TraceError

MAX_LINE_BYTES = 2**20  # no job is described in a longer line
MAX_TEXT_BYTES = 2 * 2**30  # after decompression; the largest public job logs have 0.2 GB
MAX_RATIO = 200  # text over compressed size; job logs compress 5 to 30 times
RATIO_FROM_BYTES = 64 * 2**20  # below this much text any ratio is harmless
MAX_ROWS = 50_000_000
_CHUNK_BYTES = MAX_LINE_BYTES

_GZIP = b"\x1f\x8b"
_NOT_TEXT = (
    (b"PK\x03\x04", "a zip archive; unpack it and give the file inside"),
    (b"\xfd7zXZ", "xz-compressed; unpack it, or compress it with gzip"),
    (b"BZh", "bzip2-compressed; unpack it, or compress it with gzip"),
    (b"\x28\xb5\x2f\xfd", "zstd-compressed; unpack it, or compress it with gzip"),
    (b"PAR1", "Parquet; only the format generic reads that"),
    (b"\xff\xfe", "UTF-16 text; save it as UTF-8"),
    (b"\xfe\xff", "UTF-16 text; save it as UTF-8"),
)
_TAR_MAGIC_AT = 257
_UTF8_MARK = b"\xef\xbb\xbf"


def require_file(path: Path) -> None:
    """Refuse what is missing, a folder or a device, each with its own words."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        raise TraceError(f"{path}: no such file") from None
    except (OSError, ValueError) as error:
        raise TraceError(f"{path}: cannot be read: {_words(error)}") from None
    if stat.S_ISDIR(mode):
        raise TraceError(f"{path}: is a folder; give the trace file in it")
    if not stat.S_ISREG(mode):
        raise TraceError(f"{path}: is not a regular file; write the trace to a file first")


def is_folder(path: Path) -> bool:
    """Whether this is a folder; False, not an error, for names that cannot exist."""
    try:
        return path.is_dir()
    except OSError:
        return False


def magic(path: Path) -> bytes:
    """The first bytes of a file, as they lie on disk."""
    require_file(path)
    try:
        with path.open("rb") as file:
            return file.read(8)
    except OSError as error:
        raise TraceError(f"{path}: cannot be read: {_words(error)}") from None


def read_head(path: Path, size: int = 64 * 2**10) -> str:
    """The beginning of a text file, decompressed if need be: enough to tell its format."""
    require_file(path)
    head = b""
    for chunk in _chunks(path):
        head += chunk
        if len(head) >= size:
            break
    _require_text(path, head[:512])
    return head[:size].removeprefix(_UTF8_MARK).decode("utf-8", "replace")


def read_text(
    path: Path, *, max_bytes: int = MAX_TEXT_BYTES, max_line_bytes: int | None = MAX_LINE_BYTES
) -> bytearray:
    """The whole text of a file, unpacked: UTF-8 without a byte-order mark, lines ended by LF.

    Parameters
    ----------
    path : Path
        A regular file; gzip is known by its first bytes, not by its name.
    max_bytes : int
        Most text to accept, after decompression. [bytes]
    max_line_bytes : int or None
        Refuse a stretch of this many bytes without a line break; None where lines mean nothing.

    Raises
    ------
    TraceError
        If the file is missing, unreadable, empty, binary, not UTF-8, damaged or beyond the limits.
        No more is read than it takes to find out.
    """
    require_file(path)
    text, lines = bytearray(), 0
    open_bytes = 0  # length so far of the line that is not at its end
    for chunk in _chunks(path):
        if not text:
            _require_text(path, chunk[:512])
        if b"\0" in chunk:
            raise TraceError(f"{path}: binary data (a NUL byte), not a text file")
        first = chunk.find(b"\n")
        longest = open_bytes + (first if first >= 0 else len(chunk))
        if max_line_bytes and longest > max_line_bytes:
            raise TraceError(
                f"{path}:{lines + 1}: a line of more than {max_line_bytes} bytes; is it a job log?"
            )
        open_bytes = longest if first < 0 else len(chunk) - chunk.rfind(b"\n") - 1
        lines += chunk.count(b"\n")
        text += chunk
        if len(text) > max_bytes:
            raise TraceError(
                f"{path}: more than {max_bytes / 2**20:,.0f} MiB of text; "
                "split the trace, or cut it to the time you need"
            )
        if lines > MAX_ROWS:
            raise TraceError(f"{path}: more than {MAX_ROWS:,} lines; split the trace")
    if text.startswith(_UTF8_MARK):
        del text[:3]
    if b"\r" in text:
        text = text.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    if not text or text.isspace():
        raise TraceError(f"{path}: is empty")
    _require_utf8(path, text)
    return text


def _chunks(path: Path) -> Iterator[bytes]:
    """The file's bytes in pieces, decompressed if they are gzip."""
    try:
        with path.open("rb") as file:
            first = file.read(len(_GZIP))
            file.seek(0)
            if first == _GZIP:
                yield from _gunzipped(path, file)
                return
            while chunk := file.read(_CHUNK_BYTES):
                yield chunk
    except OSError as error:
        raise TraceError(f"{path}: cannot be read: {_words(error)}") from None


def _gunzipped(path: Path, file: BinaryIO) -> Iterator[bytes]:
    """Like ``gzip.open``, but in bounded pieces, and refusing what unpacks suspiciously well."""
    taken = given = 0
    member, ended = zlib.decompressobj(31), False
    pending = b""
    while True:
        packed = pending or file.read(_CHUNK_BYTES // 4)
        if not packed:
            break
        taken += 0 if pending else len(packed)
        if ended:  # gzip files may follow one another; anything else behind the end is padding
            if not packed.lstrip(b"\0"):
                break
            member, ended = zlib.decompressobj(31), False
        try:
            text = member.decompress(packed, _CHUNK_BYTES)
        except zlib.error as error:
            raise TraceError(f"{path}: damaged gzip data: {error}") from None
        ended = member.eof
        pending = member.unused_data if ended else member.unconsumed_tail
        given += len(text)
        if given > RATIO_FROM_BYTES and given > MAX_RATIO * taken:
            raise TraceError(
                f"{path}: {taken:,} bytes of gzip unpack to more than {given:,}: taken for a "
                "decompression bomb; unpack the file yourself if it is none"
            )
        if text:
            yield text
    if not ended:
        raise TraceError(f"{path}: the gzip data end too early (a cut download?)")


def _require_text(path: Path, head: bytes) -> None:
    for start, what in _NOT_TEXT:
        if head.startswith(start):
            raise TraceError(f"{path}: {what}")
    if head[_TAR_MAGIC_AT : _TAR_MAGIC_AT + 5] == b"ustar":
        raise TraceError(f"{path}: a tar archive; unpack it and give the file inside")
    if b"\0" in head:
        raise TraceError(f"{path}: binary data (a NUL byte), not a text file")


def _require_utf8(path: Path, text: bytearray) -> None:
    if text.isascii():
        return
    try:
        text.decode("utf-8")
    except UnicodeDecodeError as error:
        line = text.count(b"\n", 0, error.start) + 1
        raise TraceError(
            f"{path}:{line}: byte 0x{text[error.start]:02X} is not UTF-8; "
            "convert the file, for example with `iconv -f latin1 -t utf-8`"
        ) from None


def _words(error: Exception) -> str:
    return (getattr(error, "strerror", None) or str(error)).lower()
