"""Hostile and broken files: one clear message each, and no more memory than it takes to tell."""

import gzip
import os
import tarfile
import tracemalloc
import zlib

import pytest
from trace_files import write

from twin.errors import TraceError
from twin.workload.traces import files
from twin.workload.traces.base import formats, read_trace

HEADER = "timestamp,duration,num_gpus,gpu_time,cluster\n"
GOOD = "2017-10-09 07:01:55,66.0,1,66.0,11cb48\n"


def refuses(path, message, **options):
    with pytest.raises(TraceError) as caught:
        read_trace(path, **options)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("format", ["auto", "philly-csv"])
class TestAnyFormat:
    """The same whether the format is told or named."""

    def test_missing(self, tmp_path, format):
        refuses(tmp_path / "no.csv", "no such file", format=format)

    def test_directory(self, tmp_path, format):
        refuses(tmp_path, "is a folder", format=format)

    def test_empty(self, tmp_path, format):
        for name, text in {
            "a.csv": "",
            "b.csv": "\n \n",
            "c.csv.gz": "",
            "d": b"\xef\xbb\xbf",
        }.items():
            refuses(write(tmp_path / name, text), "is empty", format=format)

    def test_binary(self, tmp_path, format):
        refuses(write(tmp_path / "a.csv", b"\x7fELF\0\0\0\1"), "binary data", format=format)
        refuses(write(tmp_path / "a.csv.gz", b"\x7fELF\0\0\0\1"), "binary data", format=format)

    @pytest.mark.parametrize(
        ("start", "message"),
        [
            (b"PK\x03\x04", "zip archive"),
            (b"\xfd7zXZ\0", "xz-compressed"),
            (b"BZh9", "bzip2-compressed"),
            (b"\x28\xb5\x2f\xfd", "zstd-compressed"),
            ("a,b\n".encode("utf-16"), "UTF-16"),
        ],
    )
    def test_packed_or_encoded(self, tmp_path, format, start, message):
        refuses(write(tmp_path / "a.csv", start + b"rest"), message, format=format)

    def test_tar(self, tmp_path, format):
        inside = write(tmp_path / "in.csv", HEADER + GOOD)
        with tarfile.open(tmp_path / "a.tar.gz", "w:gz", format=tarfile.USTAR_FORMAT) as archive:
            archive.add(inside, "in.csv")
        refuses(tmp_path / "a.tar.gz", "tar archive", format=format)

    def test_device(self, tmp_path, format):
        pipe = tmp_path / "pipe"
        os.mkfifo(pipe)
        refuses(pipe, "not a regular file", format=format)

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
    def test_unreadable(self, tmp_path, format):
        path = write(tmp_path / "a.csv", HEADER + GOOD)
        path.chmod(0)
        refuses(path, "permission denied", format=format)

    def test_name_that_no_file_can_have(self, tmp_path, format):
        refuses(tmp_path / ("x" * 5000), "cannot be read", format=format)


def test_unreadable_is_worded_even_for_root(tmp_path, monkeypatch):
    path = write(tmp_path / "a.csv", HEADER + GOOD)

    def deny(*_args, **_options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(type(path), "open", deny)
    refuses(path, "cannot be read: permission denied", format="philly-csv")


def test_header_only(tmp_path):
    refuses(write(tmp_path / "a.csv", HEADER), "has a header and no rows")


def test_latin1(tmp_path):
    path = write(
        tmp_path / "a.csv", (HEADER + GOOD + GOOD.replace("11cb48", "café")).encode("latin1")
    )
    message = refuses(path, "byte 0xE9 is not UTF-8")
    assert "a.csv:3:" in message


def test_nul_far_into_the_file(tmp_path):
    path = write(tmp_path / "a.csv", (HEADER + GOOD * 40_000).encode() + b"a\0b\n")
    refuses(path, "NUL byte")


def test_truncated_gzip(tmp_path):
    packed = gzip.compress((HEADER + GOOD * 1000).encode())
    for cut in (5, 15, len(packed) // 2, len(packed) - 4):
        refuses(write(tmp_path / "a.csv", packed[:cut]), "end too early", format="philly-csv")


def test_corrupt_gzip(tmp_path):
    packed = bytearray(gzip.compress((HEADER + GOOD * 1000).encode()))
    packed[20:40] = bytes(20)
    refuses(write(tmp_path / "a.csv", bytes(packed)), "gzip data", format="philly-csv")


def test_gzip_in_several_members_and_padding(tmp_path):
    packed = gzip.compress(HEADER.encode()) + gzip.compress(GOOD.encode() * 3) + bytes(512)
    assert len(read_trace(write(tmp_path / "a.csv", packed)).jobs) == 3


def test_gzip_without_the_name(tmp_path):
    assert (
        len(read_trace(write(tmp_path / "a.csv", gzip.compress((HEADER + GOOD).encode()))).jobs)
        == 1
    )


def _peak_bytes(path, message, **options):
    tracemalloc.start()
    try:
        refuses(path, message, **options)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("format", ["auto", "philly-csv"])
def test_one_line_of_a_gigabyte(tmp_path, format):
    """A sparse-file stand-in: 1 GB of blanks without a line break, read no further than 2 MiB."""
    path = tmp_path / "a.csv"
    with path.open("wb") as file:
        file.write(HEADER.encode() + b"x" * 2**22)
        file.truncate(2**30)
    assert _peak_bytes(path, "a.csv:2: a line of more than 1048576 bytes", format=format) < 2**24


def test_long_line_inside_gzip(tmp_path):
    path = write(tmp_path / "a.csv.gz", HEADER + GOOD * 30_000 + "x" * (2**20 + 1) + "\n" + GOOD)
    refuses(path, "a.csv.gz:30002: a line of more than")
    path = write(tmp_path / "a.csv.gz", HEADER + GOOD * 30_000 + "x" * 2**19 + "\n" + GOOD)
    refuses(path, "a.csv.gz:30002: 1 fields")


def test_gzip_bomb(tmp_path):
    """90 MB of short lines in 100 kB: refused at 64 MiB."""
    packer, path = zlib.compressobj(9, zlib.DEFLATED, 31), tmp_path / "a.csv.gz"
    block = b"0,0\n" * 2**18
    with path.open("wb") as file:
        file.write(packer.compress(HEADER.encode()))
        for _ in range(90):
            file.write(packer.compress(block))
        file.write(packer.flush())
    assert path.stat().st_size < 2**20
    assert _peak_bytes(path, "decompression bomb") < 160 * 2**20


def test_total_limits(tmp_path, monkeypatch):
    path = write(tmp_path / "a.csv", HEADER + GOOD * 100)
    with pytest.raises(TraceError, match="more than 0 MiB of text; split"):
        files.read_text(path, max_bytes=1000)
    monkeypatch.setattr(files, "MAX_ROWS", 10)
    with pytest.raises(TraceError, match="more than 10 lines"):
        files.read_text(path)


def test_out_of_memory_is_a_message(tmp_path, monkeypatch):
    def full(*_args, **_options):
        raise MemoryError

    monkeypatch.setattr("twin.workload.traces.philly_csv.read_delimited", full)
    refuses(write(tmp_path / "a.csv", HEADER + GOOD), "too large for this machine's memory")


def test_unknown_format_by_name(tmp_path):
    path = write(tmp_path / "a.csv", HEADER + GOOD)
    message = refuses(
        path, "unknown format 'phily-csv'; did you mean 'philly-csv'", format="phily-csv"
    )
    assert all(name in message for name in formats())


def test_unknown_format_by_content(tmp_path):
    message = refuses(write(tmp_path / "a.csv", "a,b\n1,2\n"), "cannot tell its format")
    assert all(name in message for name in formats())


def test_columns_only_for_generic(tmp_path):
    path = write(tmp_path / "a.csv", HEADER + GOOD)
    refuses(path, "for format generic only", format="philly-csv", columns={"gpus": "num_gpus"})


def test_twice_the_same_column(tmp_path):
    path = write(tmp_path / "a.csv", "timestamp,duration,num_gpus,duration\n1,2,3,4\n")
    refuses(path, "column 'duration' stands twice")
