"""The only room that knows MLflow: tracking, the package, the registry, promotion."""

import os

# MLflow reports its usage to its makers unless told not to; where patients' images are, nothing calls out unasked.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
# It also prints where a run is seen, with the password that the tracking URI may hold, and its progress.
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
