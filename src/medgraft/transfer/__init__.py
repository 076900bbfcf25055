"""Transfer strategies: one file each, adding itself to the catalog."""

from medgraft.transfer import (
    best_source,
    concatenation,
    dvme,
    full,
    layerwise,
    linear,
    lp_ft,
    mean_probability,
    transfusion,
    truncated,
)
from medgraft.transfer.run import Run
from medgraft.transfer.strategy import (
    FineTuned,
    ManySources,
    OneSource,
    Search,
    Strategy,
    StrategySettings,
    strategies,
)

__all__ = [
    "FineTuned",
    "ManySources",
    "OneSource",
    "Run",
    "Search",
    "Strategy",
    "StrategySettings",
    "best_source",
    "concatenation",
    "dvme",
    "full",
    "layerwise",
    "linear",
    "lp_ft",
    "mean_probability",
    "strategies",
    "transfusion",
    "truncated",
]
