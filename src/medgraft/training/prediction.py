"""Predictions from the stored bytes, through the one preprocessing, never from the training store."""

from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray

from medgraft.data.dataset import read_images
from medgraft.data.images import decode
from medgraft.networks.export import INPUT, export
from medgraft.networks.network import Network

BATCH = 64


@torch.inference_mode()
def predict(networks: Sequence[Network], dataset: Path, splits: Sequence[str]) -> list[NDArray[np.float32]]:
    """Logits float32 [n, classes] of each network, for the images of the splits in the order of `read_images`.

    The networks share one preprocessing (they are fits of one candidate), so each image is decoded and resized
    once. Always on the CPU in full precision.
    """
    if not networks:
        return []
    preprocess = networks[0].preprocess
    logits: list[list[NDArray[np.float32]]] = [[] for _ in networks]
    images = (preprocess(torch.from_numpy(decode(raw).copy())[None]) for _, raw in read_images(dataset, splits))
    while batch := list(islice(images, BATCH)):
        inputs = torch.cat(batch)
        for collected, network in zip(logits, networks, strict=True):
            collected.append(network.eval()(inputs).float().numpy())
    return [np.concatenate(parts) for parts in logits]


def predict_packaged(
    network: Network, dataset: Path, splits: Sequence[str]
) -> dict[str, tuple[list[str], NDArray[np.float32]]]:
    """By split, image ids and logits float32 [n, classes] of the network that is packaged, by the graph that is served.

    ONNX Runtime and torch round differently; on five classes and 600 images their probabilities were 1.5e-5 apart.
    So the headline figures come from what will be deployed: exported, one image at a time.
    """
    with TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        export(network, None, path)
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        found = {}
        for split in splits:
            ids, logits = [], []
            for image_id, raw in read_images(dataset, [split]):
                ids.append(image_id)
                logits.append(session.run(None, {INPUT: decode(raw)[None]})[0])
            found[split] = ids, np.concatenate(logits)
    return found
