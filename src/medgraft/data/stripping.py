"""Take everything but pixels out of PNG and JPEG files without touching their compressed data.

Names and dates hide in text chunks, EXIF, XMP, comments, and behind the end of the file.
PNG: https://www.w3.org/TR/png-3/#5DataRep. JPEG: ITU-T T.81, annex B.
"""

import struct

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
PNG_KEPT = {b"IHDR", b"PLTE", b"IDAT", b"IEND"}
# APP0 (JFIF) and APP14 (Adobe) say how colours are coded; every other APPn and comments are metadata.
JPEG_DROPPED = {0xFE, *range(0xE1, 0xEE), 0xEF}
JPEG_END, JPEG_SCAN = 0xD9, 0xDA


def png_without_metadata(raw: bytes) -> bytes:
    """A PNG with its critical chunks alone; raises `ValueError` when a chunk runs past the end."""
    if not raw.startswith(PNG_SIGNATURE):
        raise ValueError("not a PNG file")
    kept, position = [PNG_SIGNATURE], len(PNG_SIGNATURE)
    while position + 12 <= len(raw):
        length, kind = struct.unpack(">I4s", raw[position : position + 8])
        end = position + 12 + length
        if end > len(raw):
            raise ValueError("a PNG chunk runs past the end of the file")
        if kind in PNG_KEPT:
            kept.append(raw[position:end])
        if kind == b"IEND":
            return b"".join(kept)
        position = end
    raise ValueError("a PNG file without its end")


def jpeg_without_metadata(raw: bytes) -> bytes:
    """A JPEG without APPn metadata, comments and trailing bytes; raises `ValueError` when it is malformed."""
    if not raw.startswith(b"\xff\xd8"):
        raise ValueError("not a JPEG file")
    kept, position = [b"\xff\xd8"], 2
    while position + 2 <= len(raw):
        if raw[position] != 0xFF:
            raise ValueError("a JPEG marker is missing")
        marker = raw[position + 1]
        if marker == 0xFF:  # fill byte
            position += 1
            continue
        if marker == JPEG_END:
            return b"".join([*kept, b"\xff\xd9"])
        if position + 4 > len(raw):
            break
        end = position + 2 + int.from_bytes(raw[position + 2 : position + 4], "big")
        if marker == JPEG_SCAN:
            end = _end_of_scan(raw, end)
        if marker not in JPEG_DROPPED:
            kept.append(raw[position:end])
        position = end
    raise ValueError("a JPEG file without its end")


def _end_of_scan(raw: bytes, start: int) -> int:
    """Where entropy-coded data ends: at the first marker that is neither a stuffed zero nor a restart."""
    position = start
    while True:
        position = raw.find(b"\xff", position)
        if position < 0 or position + 1 >= len(raw):
            raise ValueError("a JPEG scan without its end")
        following = raw[position + 1]
        if following != 0 and not 0xD0 <= following <= 0xD7 and following != 0xFF:
            return position
        position += 2 if following != 0xFF else 1
