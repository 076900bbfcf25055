"""Take everything but pixels out of PNG and JPEG files without touching their compressed data.

Names and dates hide in text chunks, EXIF, XMP, comments, and behind the end of the file.
PNG: https://www.w3.org/TR/png-3/#5DataRep. JPEG: ITU-T T.81, annex B.
"""

import struct
import zlib

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
PNG_KEPT = {b"IHDR", b"PLTE", b"IDAT", b"IEND"}
# Frames, Huffman and arithmetic tables, scans, quantisation, line counts, restarts (T.81, table B.1).
JPEG_KEPT = {*range(0xC0, 0xC8), *range(0xC9, 0xD0), *range(0xDA, 0xE0)}
# APP0 and APP14 say how colours are coded: their names and how many bytes of them do (the rest may be a thumbnail).
JPEG_COLOURS = {0xE0: (b"JFIF\0", 12, b"\0\0"), 0xEE: (b"Adobe", 12, b"")}
JPEG_ALONE = {0x01, *range(0xD0, 0xD8)}
JPEG_END, JPEG_SCAN = 0xD9, 0xDA


def png_without_metadata(raw: bytes) -> bytes:
    """A PNG with its critical chunks alone; raises `ValueError` when one of them is damaged or missing."""
    if not raw.startswith(PNG_SIGNATURE):
        raise ValueError("not a PNG file")
    kept, position = [PNG_SIGNATURE], len(PNG_SIGNATURE)
    while position + 12 <= len(raw):
        length, kind = struct.unpack(">I4s", raw[position : position + 8])
        end = position + 12 + length
        if end > len(raw):
            raise ValueError("a PNG chunk runs past the end of the file")
        if kind in PNG_KEPT:
            if zlib.crc32(raw[position + 4 : end - 4]) != int.from_bytes(raw[end - 4 : end], "big"):
                raise ValueError("the checksum of a PNG chunk is wrong")
            kept.append(raw[position:end])
        if kind == b"IEND":
            return b"".join(kept)
        position = end
    raise ValueError("a PNG file without its end")


def jpeg_without_metadata(raw: bytes) -> bytes:
    """A JPEG without metadata, comments, thumbnails and trailing bytes; raises `ValueError` when it is malformed."""
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
        if marker in JPEG_ALONE:
            position += 2
            continue
        if position + 4 > len(raw):
            break
        end = position + 2 + int.from_bytes(raw[position + 2 : position + 4], "big")
        if marker == JPEG_SCAN:
            end = _end_of_scan(raw, end)
        if marker in JPEG_KEPT:
            kept.append(raw[position:end])
        elif marker in JPEG_COLOURS:
            kept.append(_colour_segment(marker, raw[position + 4 : end]))
        position = end
    raise ValueError("a JPEG file without its end")


def _colour_segment(marker: int, content: bytes) -> bytes:
    """The segment cut to what tells how colours are coded; nothing if it is another use of the same marker."""
    name, length, end = JPEG_COLOURS[marker]
    if not content.startswith(name) or len(content) < length + len(end):
        return b""
    cut = content[:length] + end
    return struct.pack(">BBH", 0xFF, marker, len(cut) + 2) + cut


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
