import base64
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
from tests.registry.study import Study

from medgraft.data.dataset import read_images
from medgraft.registry.prediction import IMAGES_A_REQUEST, predict_dataset

SPLITS = ("train", "validation", "test")


def test_every_image_has_its_own_answer_over_several_requests(study: Study, package: Path) -> None:
    model = mlflow.pyfunc.load_model(str(package))
    images = dict(read_images(study.dataset, SPLITS))
    assert len(images) > IMAGES_A_REQUEST
    found = predict_dataset(model, study.dataset, SPLITS)
    assert list(found) == list(images)
    for image_id in list(images)[:: IMAGES_A_REQUEST // 2]:
        alone = model.predict(pd.DataFrame({"image": [base64.b64encode(images[image_id]).decode()]}))
        np.testing.assert_array_equal(found[image_id], alone.to_numpy(dtype=np.float64)[0])
    assert len({tuple(p) for p in found.values()}) == len(images)
