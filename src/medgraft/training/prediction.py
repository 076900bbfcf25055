"""Predictions from the stored bytes, through the one preprocessing, never from the pixel store."""

from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray

from medgraft.data.dataset import read_images
from medgraft.data.stored import decode_stored
from medgraft.networks.export import INPUT, export
from medgraft.networks.network import Network

BATCH = {2: 64, 3: 8}  # images, volumes


@torch.inference_mode()
def predict(networks: Sequence[Network], dataset: Path, splits: Sequence[str]) -> list[NDArray[np.float32]]:
    """Logits float32 [n, classes] of each network, for the images of the splits in the order of `read_images`.

    The networks share one preprocessing (they are fits of one candidate), so each image is decoded and resized
    once. Always on the CPU in full precision.
    """
    if not networks:
        return []
    first = networks[0]
    logits: list[list[NDArray[np.float32]]] = [[] for _ in networks]
    stored = (decode_stored(raw, first.spec.dimensions) for _, raw in read_images(dataset, splits))
    images = (first.preprocess(image) for image in stored)
    while batch := list(islice(images, BATCH[first.spec.dimensions])):
        inputs = [torch.cat(parts) for parts in zip(*batch, strict=True)]
        for collected, network in zip(logits, networks, strict=True):
            collected.append(network.eval()(*inputs).float().numpy())
    return [np.concatenate(parts) for parts in logits]


def predict_packaged(
    network: Network, dataset: Path, splits: Sequence[str], model: Path
) -> dict[str, tuple[list[str], NDArray[np.float32]]]:
    """By split, image ids and logits float32 [n, classes] of the network that is packaged, by the graph that is served.

    ONNX Runtime and torch round differently; on five classes and 600 images their probabilities were 1.5e-5 apart.
    So the headline figures come from what will be deployed: exported, to `model`, one image at a time.
    """
    export(network, model)
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    found = {}
    for split in splits:
        ids, logits = [], []
        for image_id, raw in read_images(dataset, [split]):
            ids.append(image_id)
            logits.append(session.run(None, {INPUT: decode_stored(raw, network.spec.dimensions).numpy()})[0])
        found[split] = ids, np.concatenate(logits)
    return found
