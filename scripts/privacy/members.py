"""Every member of an archive, archives within it included, and the texts in a member's bytes."""

import bz2
import gzip
import io
import lzma
import re
import struct
import tarfile
import zipfile
from collections.abc import Iterable, Iterator

import numpy as np

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
MIN_RUN = 6  # characters
# Runs that could be text inside weights, pickles and msgpack: UTF-8, Latin-1, UTF-16 of either order.
_UTF8 = re.compile(
    rb"(?:[\x20-\x7e]|[\xc3-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}){6,}"
    rb"|(?:[\xe3-\xed][\x80-\xbf]{2}){2,}"  # a Chinese, Japanese or Korean name is short
)
_LATIN1 = re.compile(rb"[A-Za-z0-9 .,'@\-\xc0-\xff]{6,}")
_UTF16_LE = re.compile(rb"(?:[\x20-\x7e\xa0-\xff]\x00|[\x00-\xff][\x01-\x05]){6,}")
_UTF16_BE = re.compile(rb"(?:\x00[\x20-\x7e\xa0-\xff]|[\x01-\x05][\x00-\xff]){6,}")


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
    joined = (APART.encode(kind).join(runs).decode(kind, "ignore") for kind, runs in _runs_in(data))
    return [text for run in joined for text in _with_unescaped(run)], False


def _runs_in(data: bytes) -> Iterator[tuple[str, Iterable[bytes]]]:
    """For each encoding the runs in DATA that could be text.

    Numpy first finds where they could be: over weights these regexes take many times as long.
    """
    coded = np.frombuffer(data, np.uint8)
    for kind, run, could_be, step in (
        ("utf8", _UTF8, _in_utf8, 1),
        ("utf-16-le", _UTF16_LE, lambda coded: _in_utf16(coded[:-1], coded[1:]), 2),
        ("utf-16-be", _UTF16_BE, lambda coded: _in_utf16(coded[1:], coded[:-1]), 2),
    ):
        yield kind, (found for part in _stretches(could_be(coded), step) for found in run.findall(data[part]))
    yield "latin1", _LATIN1.findall(data)


def _in_utf8(coded: np.ndarray) -> np.ndarray:
    """Which bytes are printable ASCII or belong to a character of two or three bytes."""
    valid = (coded >= 0x20) & (coded <= 0x7E)
    follows = (coded & 0xC0) == 0x80
    two = (coded >= 0xC3) & (coded <= 0xDF)
    two[:-1] &= follows[1:]
    three = (coded & 0xF0) == 0xE0
    three[:-2] &= follows[1:-1] & follows[2:]
    for size, leads in ((2, two), (3, three)):
        leads[1 - size :] = False
        for k in range(size):
            valid[k:] |= leads[: len(leads) - k]
    return valid


def _in_utf16(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Which of the pairs of bytes, LOW and HIGH, are a character of Latin-1, or of the five blocks of 256 after it."""
    printable = ((low >= 0x20) & (low <= 0x7E)) | (low >= 0xA0)
    return (printable & (high == 0)) | ((high >= 1) & (high <= 5))


def _stretches(valid: np.ndarray, step: int) -> Iterator[slice]:
    """Where MIN_RUN or more VALID units follow each other, STEP bytes apart; those that overlap or touch as one."""
    n_starts = max(0, len(valid) - (MIN_RUN - 1) * step)
    begins = valid[:n_starts].copy()
    for k in range(1, MIN_RUN):
        begins &= valid[k * step : n_starts + k * step]
    at = np.flatnonzero(begins)
    if len(at):
        new = np.flatnonzero(np.diff(at) > MIN_RUN * step) + 1
        for first, last in zip(at[[0, *new]], at[[*(new - 1), -1]], strict=True):
            yield slice(first, last + MIN_RUN * step)


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
