"""What of a backbone lies at or below a cut, for keeping it as it is."""

from torch import nn

from medgraft.networks.units import parameters_up_to


def at_or_below(backbone: nn.Module, cut: str) -> list[nn.Module | nn.Parameter]:
    """The largest modules that lie at or below a cut whole, with their buffers, and parameters that no such one holds.

    `cut` must be a name that `cuts` gives. What follows the last unit (a norm, a convolution before the pooling) lies
    above every cut.
    """
    return _whole(backbone, parameters_up_to(backbone, cut))


def _whole(module: nn.Module, kept: set[str], path: str = "") -> list[nn.Module | nn.Parameter]:
    found: list[nn.Module | nn.Parameter] = [
        parameter for name, parameter in module.named_parameters(recurse=False) if path + name in kept
    ]
    for name, child in module.named_children():
        inside = f"{path}{name}."
        own = [inside + parameter for parameter, _ in child.named_parameters()]
        if own and kept.issuperset(own):
            found.append(child)
        elif own:
            found += _whole(child, kept, inside)
    return found
