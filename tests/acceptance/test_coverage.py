"""Does a 95 % interval hold the truth 95 times of 100? Simulated studies whose true AUROC is known in closed form."""

import numpy as np
import pytest
from scipy.special import ndtri

from medgraft.evaluation.metrics import auroc
from medgraft.evaluation.uncertainty import interval, resampling

PATIENTS, IMAGES, STUDIES, DRAWS = 100, 3, 1500, 2000


@pytest.mark.acceptance
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(("area", "prevalence"), [(0.75, 0.5), (0.9, 0.2), (0.96, 0.2)])
@pytest.mark.parametrize("constant", [True, False], ids=["patients alike", "images apart"])
def test_the_interval_of_an_auroc_covers_it(area: float, prevalence: float, constant: bool) -> None:
    """100 patients with 3 images, whose scores correlate by 0.5 within a patient; labels of patients, or of images.

    Scores are normal with variance 1, positives higher by √2 Φ⁻¹(AUROC): the AUROC of two images of different patients.
    """
    rng = np.random.default_rng(6)
    patient = np.repeat(np.arange(PATIENTS), IMAGES)
    shift = np.sqrt(2) * ndtri(area)
    below = above = plain = 0
    widths = []
    for study in range(STUDIES):
        sampling = resampling(patient, DRAWS, study)
        truth = (rng.random(PATIENTS)[patient] if constant else rng.random(len(patient))) < prevalence
        own, shared = rng.normal(size=len(patient)), rng.normal(size=PATIENTS)[patient]
        score = shift * truth + np.sqrt(0.5) * shared + np.sqrt(0.5) * own
        values = auroc(truth[:, None].astype(np.float64), score[:, None], sampling.weights)[:, 0]
        found = sampling.interval(values)
        assert found.low is not None
        assert found.high is not None
        below += area < found.low
        above += area > found.high
        widths.append(found.high - found.low)
        percentile = interval(float(values[0]), sampling.drawn(values))
        assert percentile.low is not None
        assert percentile.high is not None
        plain += percentile.low <= area <= percentile.high
    covered = 1 - (below + above) / STUDIES
    print(
        f"AUROC {area}, prevalence {prevalence}, labels of {'patients' if constant else 'images'}: covers "
        f"{covered:.3f} (truth below {below / STUDIES:.3f}, above {above / STUDIES:.3f}), "
        f"mean width {np.mean(widths):.3f}; plain percentiles would cover {plain / STUDIES:.3f}"
    )
    assert covered >= 0.93
    assert covered > plain / STUDIES - 0.005
