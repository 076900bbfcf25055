"""Measured cost on this machine; kept apart from everything that is fingerprinted."""

import statistics
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray

from medgraft.networks.export import INPUT
from medgraft.networks.network import NetworkSpec

BATCHES = (1, 32)
VOLUMES = 4  # at a time
REPEATS, FEWEST = 20, 3
SECONDS = 20.0  # for a batch size of all models together: then no more repeats


def latencies(models: Mapping[str, tuple[Path, NetworkSpec]]) -> dict[str, dict[str, Any]]:
    """Of each exported model, milliseconds for 1 and for 32 images already at its size: median and quartiles.

    By ONNX Runtime on the CPU, all models in turn in one run, so that they are measured under the same load. 32 images
    are one batch; of volumes, which would not fit, four are measured, and taken eight times.
    """
    threads = torch.get_num_threads()
    found: dict[str, dict[str, Any]] = {name: {"threads": threads} for name in models}
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    sessions = {
        name: onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        for name, (path, _) in models.items()
    }
    for batch in BATCHES:
        blanks = {name: _blank(spec, batch) for name, (_, spec) in models.items()}
        spent: dict[str, list[float]] = {name: [] for name in models}
        began = time.perf_counter()
        for repeat in range(REPEATS + 1):  # the first is a warm-up
            for name, session in sessions.items():
                start = time.perf_counter()
                session.run(None, {INPUT: blanks[name]})
                taken = batch / len(blanks[name])
                spent[name].append((time.perf_counter() - start) * 1000 * taken)
            if repeat >= FEWEST and time.perf_counter() - began > SECONDS:
                break
        for name, milliseconds in spent.items():
            low, median, high = statistics.quantiles(milliseconds[1:], n=4)
            prefix = f"latency_ms_batch{batch}"
            found[name] |= {f"{prefix}_low": low, f"{prefix}_median": median, f"{prefix}_high": high}
    return found


def _blank(spec: NetworkSpec, batch: int) -> NDArray[Any]:
    side = max(backbone.image_size for backbone in spec.backbones)
    if spec.dimensions == 2:
        return np.zeros((batch, side, side, 3), np.uint8)
    return np.zeros((min(batch, VOLUMES), side, side, side, 1), np.float32)
