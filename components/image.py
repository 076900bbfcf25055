"""The image that components name until a node-pool policy names one by digest: what `make image` tags."""

from importlib.metadata import version

IMAGE = f"medgraft:{version('medgraft')}"
