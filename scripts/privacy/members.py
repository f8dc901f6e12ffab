"""Every member of an archive, archives within it included, and the texts in a member's bytes."""

import bz2
import gzip
import io
import lzma
import re
import struct
import tarfile
import zipfile
from collections.abc import Iterator

from scripts.notes.errors import UserError

MAX_DEPTH = 6
MAX_BYTES = 8 << 30  # unpacked; a wheel beyond that is no NER
APART = " ##### "  # keeps what stands in different places from being read as one

UNREADABLE = (
    OSError,
    EOFError,
    RuntimeError,
    ValueError,
    struct.error,
    zipfile.BadZipFile,
    tarfile.TarError,
    lzma.LZMAError,
)
ZIP = b"PK\x03\x04"
LOCAL_HEADER = 30  # bytes of a member's header before its name and extra field

_SINGLE = ((b"\x1f\x8b", gzip.decompress), (b"BZh", bz2.decompress), (b"\xfd7zXZ", lzma.decompress))
_ESCAPE = re.compile(r"\\u([0-9a-fA-F]{4})|\\x([0-9a-fA-F]{2})|\\[nrt]")
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1f]")
# Runs that could be text inside weights, pickles and msgpack: UTF-8, Latin-1, UTF-16 of either order.
_RUNS = (
    (
        re.compile(
            rb"(?:[\x20-\x7e]|[\xc3-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|\xcc[\x80-\xbf]){6,}"
            rb"|(?:[\xe3-\xed][\x80-\xbf]{2}){2,}"  # a Chinese, Japanese or Korean name is short
        ),
        "utf8",
    ),
    (re.compile(rb"[A-Za-z0-9 .,'@\-\xc0-\xff]{6,}"), "latin1"),
    (re.compile(rb"(?:[\x20-\x7e\xa0-\xff]\x00|[\x00-\xff][\x01-\x05]){6,}"), "utf-16-le"),
    (re.compile(rb"(?:\x00[\x20-\x7e\xa0-\xff]|[\x01-\x05][\x00-\xff]){6,}"), "utf-16-be"),
)


def walk_members(name: str, data: bytes, depth: int = 0) -> Iterator[tuple[str, bytes]]:
    """Yield (name, bytes) of DATA itself and of all its members, nested zip, tar, gz, bz2 and xz unpacked.

    Of a zip archive itself only what lies outside its members: these follow, unpacked.
    A UserError for an archive that cannot be read to its end or is nested too deep or too large: it is not vouched for.
    """
    try:
        yield name, _outside_members(data) if data[:4] == ZIP else data
        for inner, inner_data in _unpack(data):
            if depth >= MAX_DEPTH or len(inner_data) > MAX_BYTES:
                raise UserError("an archive in the wheel is nested too deep or too large", "Look into the pipeline")
            yield from walk_members(f"{name}!{inner}" if name else inner, inner_data, depth + 1)
    except UNREADABLE as e:
        raise UserError(
            f"an archive in the wheel cannot be read ({type(e).__name__})", "Look into the pipeline"
        ) from None


def texts_in(data: bytes) -> tuple[list[str], bool]:
    """The texts in a member's bytes, with escapes (\\u00e9) also read; and whether all of it is one text."""
    if not _CONTROL.search(data[: 1 << 16]) and not _CONTROL.search(data):
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = data.decode("latin1")
        return _with_unescaped(text), True
    runs = (APART.encode(kind).join(run.findall(data)).decode(kind, "ignore") for run, kind in _RUNS)
    return [text for run in runs for text in _with_unescaped(run)], False


def _outside_members(data: bytes) -> bytes:
    """The headers, names and comments of a zip archive, and whatever was put between its members or around them."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = sorted((info.header_offset, info.compress_size) for info in archive.infolist())
    pieces, end = [], 0
    for offset, size in members:
        start = offset + LOCAL_HEADER + sum(struct.unpack("<HH", data[offset + 26 : offset + LOCAL_HEADER]))
        pieces.append(data[end:start])
        end = start + size
    return APART.encode().join([*pieces, data[end:]])


def _unpack(data: bytes) -> Iterator[tuple[str, bytes]]:
    if data[:4] in (ZIP, b"PK\x05\x06"):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            if sum(info.file_size for info in archive.infolist()) > MAX_BYTES:
                raise ValueError("too large")
            for info in archive.infolist():
                yield info.filename, archive.read(info)
    elif data[257:262] == b"ustar":
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            for info in archive:
                stream = archive.extractfile(info)
                yield info.name, stream.read() if stream else b""
    else:
        for magic, decompress in _SINGLE:
            if data.startswith(magic):
                yield "unpacked", decompress(data)


def _with_unescaped(text: str) -> list[str]:
    return [text, _ESCAPE.sub(_unescape, text)] if "\\" in text else [text]


def _unescape(match: re.Match[str]) -> str:
    code = match[1] or match[2]
    return chr(int(code, 16)) if code else " "
