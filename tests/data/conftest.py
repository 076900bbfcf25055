import pytest
from tests.data.sources import Ingested, example


@pytest.fixture(scope="session")
def ingested(tmp_path_factory: pytest.TempPathFactory) -> Ingested:
    """The example dataset, to be read only."""
    return example(tmp_path_factory.mktemp("ingested"))
