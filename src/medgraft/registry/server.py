"""The MLflow server: which one, and whether it answers."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from medgraft.errors import UserError

START = "mlflow server --backend-store-uri sqlite:///mlflow.db --port 5000"
ADVICE = f"start one with `{START}`, or correct registration.tracking_uri or MLFLOW_TRACKING_URI"
# https://mlflow.org/docs/latest/api_reference/python_api/mlflow.environment_variables.html
IMPATIENT = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0", "MLFLOW_HTTP_REQUEST_TIMEOUT": "5"}


def tracking_uri(configured: str) -> str:
    """MLFLOW_TRACKING_URI where it is set, else the URI that params.yaml names."""
    return os.environ.get("MLFLOW_TRACKING_URI") or configured


def connect(configured: str) -> MlflowClient:
    """A client of the server, which has answered; raises `UserError` within seconds when it does not.

    The client carries its URI itself: MLflow's global tracking URI is neither read nor changed.
    """
    uri = tracking_uri(configured)
    try:
        client = MlflowClient(tracking_uri=uri, registry_uri=uri)
        with _environment(IMPATIENT):
            client.search_experiments(max_results=1)
    except MlflowException as error:
        if error.error_code in ("UNAUTHENTICATED", "PERMISSION_DENIED"):
            raise UserError(
                f"the MLflow server {shown(uri)} refuses access ({_reason(error, uri)}); set MLFLOW_TRACKING_USERNAME "
                "and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN"
            ) from error
        raise UserError(f"no MLflow server answers at {shown(uri)} ({_reason(error, uri)}); {ADVICE}") from error
    return client


@contextmanager
def talking(client: MlflowClient) -> Iterator[None]:
    """What fails at the server in this block is raised as a `UserError`."""
    try:
        yield
    except MlflowException as error:
        uri = client.tracking_uri
        raise UserError(
            f"the MLflow server {shown(uri)} did not do what was asked ({_reason(error, uri)}); "
            "correct that and run the command again: it goes on where it stopped"
        ) from error


def shown(uri: str) -> str:
    """The URI without the user name and password it may hold."""
    return re.sub(r"//[^/]*@", "//", uri)


def _reason(error: MlflowException, uri: str) -> str:
    """What the operating system said, where no answer came; else the first line of the server's answer."""
    innermost: BaseException = error
    while inner := innermost.__cause__ or innermost.__context__:
        innermost = inner
    if isinstance(innermost, TimeoutError):
        return "timed out"
    if isinstance(innermost, OSError) and innermost.strerror:
        return innermost.strerror
    line = str(error.message).replace(uri, shown(uri)).splitlines()[0]
    return line if len(line) <= 200 else f"{line[:199]}…"


@contextmanager
def _environment(variables: dict[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
