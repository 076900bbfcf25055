"""Pretraining: one file a method, adding itself to the catalog."""

from medgraft.pretraining import published, random, supervised
from medgraft.pretraining.method import Made, Method, MethodSettings, methods

__all__ = ["Made", "Method", "MethodSettings", "methods", "published", "random", "supervised"]
