"""GDCM in a process of its own: it ends the process that gives it a damaged frame, and that must not be ours.

Of what is read here, only GDCM decodes lossless JPEG, JPEG of 12 bits and JPEG-LS. A child reads a line of JSON and a
frame from its standard input and answers with a line of JSON and the pixels; it ends with its input.
"""

import atexit
import json
import math
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from io import BufferedWriter
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from pydicom.encaps import encapsulate
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import UID

from medgraft.data.content import BadImageError
from medgraft.data.dicom.elements import DAMAGE

Child = subprocess.Popen[bytes]
PATIENCE = 120.0  # seconds for a frame
TRIES = 2  # a child may have been ended by someone else
# What libjpeg says before it fills up with gray what it could not read.
COMPLAINTS = (b"Corrupt JPEG data", b"remature end")
_idle: list[Child] = []


def decode_apart(frame: bytes, options: Mapping[str, str | int]) -> NDArray[Any]:
    """One encoded frame → integers [H, W] or [H, W, 3]; `options` are those of pydicom's decoders.

    Raises `BadImageError` when it cannot be decoded, or the decoder gives up without a word, or takes too long.
    """
    request = json.dumps({**options, "length": len(frame)}).encode() + b"\n"
    for _ in range(TRIES):
        child = _child()
        timer = threading.Timer(PATIENCE, child.kill)
        timer.start()
        try:
            answer = _asked(child, request, frame)
        except (OSError, EOFError):
            child.kill()
            child.communicate()
        else:
            _idle.append(child)
            if isinstance(answer, str):
                raise BadImageError(f"truncated or damaged ({answer})")
            return answer
        finally:
            timer.cancel()
    raise BadImageError("truncated or damaged (its decoder gave up)")


def _child() -> Child:
    try:
        return _idle.pop()
    except IndexError:
        return subprocess.Popen(
            [sys.executable, "-m", __name__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )


def _asked(child: Child, request: bytes, frame: bytes) -> NDArray[Any] | str:
    """The pixels, or what went wrong; raises `OSError` or `EOFError` when the child is gone."""
    assert child.stdin is not None
    assert child.stdout is not None
    child.stdin.write(request)
    child.stdin.write(frame)
    child.stdin.flush()
    line = child.stdout.readline()
    if not line.endswith(b"\n"):
        raise EOFError
    answer = json.loads(line)
    if "error" in answer:
        return str(answer["error"])
    dtype = np.dtype(answer["dtype"])
    length = dtype.itemsize * math.prod(answer["shape"])
    raw = child.stdout.read(length)
    if len(raw) < length:
        raise EOFError
    return np.frombuffer(raw, dtype).reshape(answer["shape"])


@atexit.register
def _end_idle() -> None:
    while _idle:
        _idle.pop().communicate()


def _serve() -> None:
    """The child: what C code prints goes to a file that is looked into, never among the answers."""
    answers = os.fdopen(os.dup(1), "wb")
    with tempfile.TemporaryFile() as said:
        os.dup2(said.fileno(), 1)
        os.dup2(said.fileno(), 2)
        while line := sys.stdin.buffer.readline():
            options = json.loads(line)
            frame = sys.stdin.buffer.read(options.pop("length"))
            _answer(answers, frame, options, said)


def _answer(answers: BufferedWriter, frame: bytes, options: dict[str, Any], said: BinaryIO) -> None:
    said.truncate(0)
    said.seek(0)
    try:
        options["transfer_syntax_uid"] = UID(options["transfer_syntax_uid"])
        decoder = get_decoder(options["transfer_syntax_uid"])
        array, _ = decoder.as_array(encapsulate([frame]), index=0, decoding_plugin="gdcm", **options)
    except DAMAGE as error:
        _reply(answers, {"error": type(error).__name__})
        return
    said.seek(0)
    complaints = said.read()
    if any(complaint in complaints for complaint in COMPLAINTS):
        _reply(answers, {"error": "its decoder complains"})
    else:
        _reply(answers, {"dtype": array.dtype.str, "shape": array.shape}, np.ascontiguousarray(array).data)


def _reply(answers: BufferedWriter, line: dict[str, Any], pixels: memoryview | bytes = b"") -> None:
    answers.write(json.dumps(line).encode() + b"\n")
    answers.write(pixels)
    answers.flush()


if __name__ == "__main__":
    _serve()
