"""The Kubeflow pipeline, its node-pool policy, and `python -m pipelines`."""
