"""The image that components name until a node-pool policy names one by digest."""

from importlib.metadata import version

IMAGE = f"medgraft:{version('medgraft')}"
