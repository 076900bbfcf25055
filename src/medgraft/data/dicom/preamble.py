"""The first bytes of a DICOM file, which may hold anything: PS3.10 section 7.1 leaves 128 of them free."""

from io import BufferedReader

from medgraft.data.content import BadImageError

PREAMBLE = 128
PREFIX = b"DICM"
# The first bytes of what an operating system runs. A file may be a valid image and a program at once (CVE-2019-11687).
# TIFF is what the standard means the preamble for, and other content runs nowhere: it may stand there, and goes no
# further than the rest of the header.
PROGRAMS = (
    b"MZ",
    b"ZM",
    b"\x7fELF",
    b"\xca\xfe\xba\xbe",
    b"\xca\xfe\xba\xbf",
    b"\xfe\xed\xfa\xce",
    b"\xfe\xed\xfa\xcf",
    b"\xce\xfa\xed\xfe",
    b"\xcf\xfa\xed\xfe",
    b"\0asm",
    b"#!",
)


def check_preamble(stream: BufferedReader) -> None:
    """Raise `BadImageError` unless the stream, at its beginning, is a DICOM file and no program."""
    start = stream.read(PREAMBLE + len(PREFIX))
    if not start:
        raise BadImageError("empty file")
    if start[PREAMBLE:] != PREFIX:
        raise BadImageError("not a DICOM file")
    if start.startswith(PROGRAMS):
        raise BadImageError("executable code in the preamble")
