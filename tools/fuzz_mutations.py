"""How tools/fuzz.py changes files: as bytes, as text and as JSON, and inside of PNG, zip and tar, whose sums are kept right."""

from __future__ import annotations

import json
import random
import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

NUMBERS = (0, 1, -1, 2, 255, 256, 257, 65535, 65536, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**64, 10**12, 10**30)
FLOATS = (0.5, -0.0, 1e-9, 1e308, -1e308, float("nan"), float("inf"))
WORDS = (
    "", " ", "..", "../../x", "/etc/passwd", "a/b", "a\\b", "\0", "\x1b[31m", "\n", "=1+1", "\ud800", "é", "CON", "x" * 5000,
    "nan", "null", "[]", "{}", "https://127.0.0.1:9/x", "s3://x/y", "ignore",
)  # fmt: skip
VALUES: tuple[Any, ...] = (*NUMBERS, *FLOATS, *WORDS, None, True, False, [], {}, [[]], [{}], {"": None}, [0] * 3000)
TEXTS = (".json", ".jsonl", ".geojson", ".csv", ".txt", ".yaml", ".yml", ".xml")


def mutated(name: str, data: bytes, chance: random.Random) -> bytes:
    """The bytes of a file, changed in a way that suits its name; one time in four as if nothing were known of it."""
    suffix = Path(name).suffix.lower()
    ways: list[Callable[[bytes, random.Random], bytes]] = [damaged]
    if suffix in (".json", ".geojson"):
        ways += [as_json, as_json, as_text]
    elif suffix == ".jsonl":
        ways += [as_lines, as_lines, as_text]
    elif suffix in TEXTS:
        ways += [as_text, as_text, as_text]
    elif data.startswith(b"\x89PNG"):
        ways += [as_png, as_png, as_png]
    elif data.startswith((b"II*\0", b"MM\0*")):
        ways += [as_tiff, as_tiff, as_tiff]
    elif data.startswith(b"PK"):
        ways += [as_zip, as_zip, as_zip]
    elif suffix == ".tar":
        ways += [as_tar, as_tar, as_tar]
    return chance.choice(ways)(data, chance)


def damaged(data: bytes, chance: random.Random) -> bytes:
    """A few bytes changed, put in or left out, or the file cut off."""
    out = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 4, 16))):
        place, length = chance.randrange(len(out) + 1), chance.choice((1, 1, 2, 4, 8, 64))
        match chance.randrange(6):
            case 0:
                out[place : place + length] = chance.randbytes(length)
            case 1:
                del out[place : place + length]
            case 2:
                out[place:place] = out[place : place + length] or b"\0"
            case 3:
                out[place : place + length] = bytes([chance.choice((0, 255, 128))]) * length
            case 4:
                form = chance.choice(("<H", ">H", "<I", ">I", "<Q"))
                size = struct.calcsize(form)
                out[place : place + size] = struct.pack(form, chance.choice(NUMBERS) % 2 ** (8 * size))
            case _ if chance.random() < 0.2:
                del out[place:]
    return bytes(out)


def as_text(data: bytes, chance: random.Random) -> bytes:
    """A number, a word or a line in the place of another one."""
    text = data.decode("utf-8", "surrogateescape")
    if chance.random() < 0.3:
        lines = text.splitlines(keepends=True) or [""]
        place = chance.randrange(len(lines))
        lines[place] = chance.choice(("", lines[place] * 2, chance.choice(lines), f"{chance.choice(WORDS)}\n"))
        return "".join(lines).encode("utf-8", "surrogatepass")
    found = list(re.finditer(r"-?\d+(\.\d+)?|\w+|[^\w\s]", text))
    if not found:
        return str(chance.choice(VALUES)).encode("utf-8", "surrogatepass")
    one = chance.choice(found)
    word = str(chance.choice(VALUES))
    return (text[: one.start()] + word + text[one.end() :]).encode("utf-8", "surrogatepass")


def as_json(data: bytes, chance: random.Random) -> bytes:
    """A value of a JSON file changed."""
    try:
        root = [json.loads(data)]
    except ValueError:
        return as_text(data, chance)
    place, key = chance.choice(list(places(root)))
    match chance.randrange(4):
        case 0 if isinstance(place, dict) or len(place) > 1:
            del place[key]
        case 1:
            place[key] = chance.choice((place[key], [place[key]], {"x": place[key]}, str(place[key])))
        case _:
            place[key] = chance.choice(VALUES)
    return json.dumps(root[0]).encode()


def as_lines(data: bytes, chance: random.Random) -> bytes:
    """A line of JSON changed."""
    lines = data.splitlines() or [b""]
    place = chance.randrange(len(lines))
    lines[place] = as_json(lines[place], chance)
    return b"".join(line + b"\n" for line in lines)


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every (list or dict, index or key) in a value."""
    pairs = list(value.items() if isinstance(value, dict) else enumerate(value))
    for key, inner in pairs:
        yield value, key
        if isinstance(inner, dict | list):
            yield from places(inner)


def as_png(data: bytes, chance: random.Random) -> bytes:
    """A chunk changed, left out or doubled, with a right sum: what is inside it is read. Of pixels also the filtered rows."""
    chunks, place = [], 8
    while place + 8 <= len(data):
        length = int.from_bytes(data[place : place + 4])
        chunks.append((data[place + 4 : place + 8], data[place + 8 : place + 8 + length]))
        place += 12 + length
    number = chance.randrange(len(chunks))
    kind, body = chunks[number]
    match chance.randrange(5):
        case 0:
            del chunks[number]
        case 1:
            chunks.insert(number, (kind, body))
        case 2 if kind == b"IDAT":
            try:
                chunks[number] = kind, zlib.compress(damaged(zlib.decompress(body), chance))
            except zlib.error:  # the pixels are in several chunks
                chunks[number] = kind, damaged(body, chance)
        case _:
            chunks[number] = kind, damaged(body, chance)
    return data[:8] + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    )


def as_tiff(data: bytes, chance: random.Random) -> bytes:
    """An entry of the first directory changed: its number, type, count or value."""
    order = "<" if data[:2] == b"II" else ">"
    (start,) = struct.unpack_from(f"{order}I", data, 4)
    out = bytearray(data)
    try:
        (count,) = struct.unpack_from(f"{order}H", data, start)
        entry = start + 2 + 12 * chance.randrange(count or 1)
        form, place = chance.choice((("H", 0), ("H", 2), ("I", 4), ("I", 8), ("I", 8), ("H", 8)))
        value = chance.choice((*NUMBERS, chance.randrange(2**16))) % 2 ** (8 * struct.calcsize(form))
        struct.pack_into(order + form, out, entry + place, value)
    except struct.error:
        return damaged(data, chance)
    return bytes(out)


def as_zip(data: bytes, chance: random.Random) -> bytes:
    """A member of an archive changed, with a right sum."""
    try:
        with zipfile.ZipFile(BytesIO(data)) as archive:
            members = {info.filename: archive.read(info) for info in archive.infolist()}
    except (zipfile.BadZipFile, ValueError):
        return damaged(data, chance)
    pickles = [name for name in members if name.endswith(".pkl")]
    name = chance.choice(pickles if pickles and chance.random() < 0.7 else list(members))
    members[name] = damaged(members[name], chance)
    out = BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for member, body in members.items():
            archive.writestr(member, body)
    return out.getvalue()


def as_tar(data: bytes, chance: random.Random) -> bytes:
    """A header of an archive changed, with a right sum, or a member's bytes."""
    out = bytearray(data)
    headers = [place for place in range(0, len(data), 512) if data[place + 257 : place + 262] == b"ustar"]
    if not headers or chance.random() < 0.4:
        return damaged(data, chance)
    place = chance.choice(headers)
    start, length = chance.choice(((0, 100), (124, 12), (156, 1), (157, 100), (345, 155)))
    size = chance.randrange(1, length + 1)
    ways = [chance.randbytes(size), *(sign * size for sign in (b"7", b"0", b"/")), b"\x80".ljust(size, b"\xff")]
    out[place + start : place + start + size] = chance.choice([*ways, b"../".ljust(size, b"x")[:size]])
    out[place + 148 : place + 156] = b" " * 8
    out[place + 148 : place + 156] = b"%06o\0 " % sum(out[place : place + 512])
    return bytes(out)
