"""What a network costs, as far as it does not depend on the machine."""

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from medgraft.networks.network import Network


def parameter_count(network: Network) -> int:
    """Parameters of backbones and head (buffers are not parameters)."""
    return sum(p.numel() for p in network.parameters())


def mac_count(network: Network) -> int:
    """Multiply-accumulates of one image: convolutions and matrix products; preprocessing is not counted."""
    counter = FlopCounterMode(display=False)
    training = network.training
    network.eval()
    # Fused attention has no formula in the counter and would count as nothing.
    with counter, torch.no_grad(), sdpa_kernel(SDPBackend.MATH):
        network(*network.blank())
    network.train(training)
    return int(counter.get_total_flops()) // 2
