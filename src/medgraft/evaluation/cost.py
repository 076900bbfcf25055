"""Measured cost on this machine; kept apart from everything that is fingerprinted."""

import statistics
import time
from typing import Any

import torch

from medgraft.networks.network import Network

REPEATS = 20


@torch.inference_mode()
def latency(network: Network) -> dict[str, Any]:
    """Milliseconds for one image already at the network's size, batch 1, on the CPU: median and quartiles."""
    network.eval()
    size = network.spec.image_size
    image = torch.zeros(1, 3, size, size)
    network(image)
    spent = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        network(image)
        spent.append((time.perf_counter() - began) * 1000)
    low, median, high = statistics.quantiles(spent, n=4)
    return {
        "latency_ms_batch1_median": median,
        "latency_ms_low": low,
        "latency_ms_high": high,
        "threads": torch.get_num_threads(),
        "batch": 1,
    }
