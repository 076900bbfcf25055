"""The stages as Kubeflow components, each thin: it imports its stage function and hands it the artifacts' paths."""
