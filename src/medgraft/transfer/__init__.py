"""Transfer strategies: one file each, adding itself to the catalog."""

from medgraft.transfer import full, linear
from medgraft.transfer.strategy import OneSource, Run, Strategy, StrategySettings, strategies

__all__ = ["OneSource", "Run", "Strategy", "StrategySettings", "full", "linear", "strategies"]
