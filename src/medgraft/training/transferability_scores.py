"""How well a source suits a target task, told from its features or its own predictions before anything is trained.

Advisory only: on medical tasks none of these scores was found reliable (Chaves et al. 2023, arXiv 2308.07444). All are
natural logarithms or ratios, and higher is better. They compare sources on the same rows and labels; between tasks
with other classes or shares of classes they say nothing (Ibrahim et al. 2021, arXiv 2110.06893).

Labels are int64 [n] or float64 [n, C] as `transferability` has them. All functions raise `UserError` where an input is
not finite and where no two classes are there to tell apart, `ValueError` for arrays that do not fit.
"""

import numpy as np
from scipy.optimize import minimize_scalar

from medgraft.training.transferability import Floats, Ints, Labels, checked, mean_over_labels

# Networks compute in float32: what is smaller than this share of the largest is rounding.
RESOLUTION = float(np.finfo(np.float32).eps)
DISTORTION = 1e-4  # as the authors of TransRate set it

# Left singular vectors [n, r] and singular values [r], those above rounding.
_Axes = tuple[Floats, Floats]


def logme(features: Floats, labels: Labels) -> float:
    """LogME of features float64 [n, d]: the highest log evidence of a Bayesian linear model of the labels, by image.

    y ~ N(F w, 1/β) and w ~ N(0, 1/α) for each class's 0/1 column y, without intercept; the mean over classes of
    max log p(y | F, α, β) / n (You et al. 2021, arXiv 2102.11005). Any number; higher is better. Scale and rotation of
    the features do not matter. Evidence has no bound where the labels are an exact linear function of features of
    rank < n; noise is then held at float32's resolution, so the score is large but finite.
    """
    return mean_over_labels(_axes, _logme, checked(features, labels, "features"), labels)


def h_score(features: Floats, labels: Labels) -> float:
    """H-score of features float64 [n, d], with shrinkage: the share of their variance that lies between classes.

    (1 − a) tr(S⁻¹ cov(E[f | y])) with S = (1 − a) cov(f) + a tr(cov(f)) / d I and a of Ledoit & Wolf (Ibrahim et al.
    2021, arXiv 2110.06893; a = 0 is Bao et al. 2019, IEEE ICIP). In [0, min(classes − 1, d)]; higher is better. Scale
    and rotation of the features do not matter. 0 where they are constant, or where their covariance cannot be told
    from a sphere (a = 1).
    """
    return mean_over_labels(_whitening, _h_score, checked(features, labels, "features"), labels)


def transrate(features: Floats, labels: Labels) -> float:
    """TransRate of features float64 [n, d]: R(Z) − Σ_c n_c / n R(Z_c), R(Z) = ½ log det(I + ZᵀZ / (n ε)), ε = 1e-4.

    Huang et al. 2022, arXiv 2106.09362. Z is the features less their mean over all rows, divided by one number so that
    the trace of ZᵀZ / n is 1: sources of any scale meet the same ε. Never below 0; higher is better. Scale and rotation
    of the features do not matter. 0 where they are constant.
    It grows with the number of features: noise of 1,024 scored above telling features of 64 in 40 of 40 simulations of
    300 images, so only sources with as many features can be compared by it.
    """
    return mean_over_labels(_scaled, _transrate, checked(features, labels, "features"), labels)


def leep(source_probabilities: Floats, labels: Labels) -> float:
    """LEEP of a source's own probabilities float64 [n, Z], rows of sum 1: how well they tell the labels.

    The mean log-likelihood of the labels under Σ_z P(y | z) p(z | x), P(y | z) from these same images (Nguyen et al.
    2020, arXiv 2002.12462). In [−entropy of the labels, 0]; higher is better. With few images to a source class it is
    too high.
    """
    return mean_over_labels(np.asarray, _leep, _probabilities(source_probabilities, labels), labels)


def nce(source_probabilities: Floats, labels: Labels) -> float:
    """NCE: minus the conditional entropy H(label | source class), the class of the highest probability [n, Z].

    Tran et al. 2019, arXiv 1908.08142. Equals `leep` of these classes as one-hot rows. In [−entropy of the labels, 0];
    higher is better. With few images to a source class it is too high, more so than `leep`.
    """
    p = _probabilities(source_probabilities, labels)
    return mean_over_labels(np.asarray, _leep, np.eye(p.shape[1])[p.argmax(axis=1)], labels)


def _logme(axes: _Axes, labels: Ints) -> float:
    # The authors step α and β in turn from 1 and 1, at most 11 times. Here the same evidence is maximised over the one
    # ratio β / α that is left once the best β for it is put in: no start, no scale of the features, no unfinished step.
    u, s = axes
    members = _members(labels)
    coordinates = u.T @ members
    rests = ((members - u @ coordinates) ** 2).sum(axis=0)
    variances = (s / s[:1]) ** 2
    # β / α in units of the largest axis, from features that say nothing to noise at their resolution.
    ratios = np.linspace(np.log(1e-6), -2 * np.log(RESOLUTION), 200)

    def highest(energies: Floats, rest: float) -> float:
        def evidence(log_ratio: Floats | float) -> Floats:
            gains = 1 + np.multiply.outer(np.exp(log_ratio), variances)
            noise = ((energies / gains).sum(axis=-1) + rest) / len(labels)  # 1 / β
            return np.asarray(-(np.log(2 * np.pi * noise) + 1 + np.log(gains).sum(axis=-1) / len(labels)) / 2)

        # The evidence can have more than one peak: the grid finds the highest, the search its top.
        best = int(evidence(ratios).argmax())
        around = ratios[max(best - 1, 0)], ratios[min(best + 1, len(ratios) - 1)]
        top = minimize_scalar(lambda x: -float(evidence(x)), bounds=around, method="bounded", options={"xatol": 1e-6})
        return max(-float(top.fun), float(evidence(-np.inf)))

    return float(np.mean([highest(e, rest) for e, rest in zip(coordinates.T**2, rests, strict=True)]))


def _whitening(features: Floats) -> tuple[_Axes, Floats]:
    """The axes in which the covariance is diagonal, and what a unit of variance along each counts [r]."""
    centred = _centred(features)
    u, s = _axes(centred)
    variances = s**2 / len(centred)
    return (u, s), _weights(variances, _shrinkage(centred, variances), centred.shape[1])


def _weights(variances: Floats, shrinkage: float, d: int) -> Floats:
    return np.asarray((1 - shrinkage) / ((1 - shrinkage) * variances + shrinkage * variances.sum() / d))


def _shrinkage(centred: Floats, variances: Floats) -> float:
    """Of Ledoit & Wolf 2004 (Journal of Multivariate Analysis 88:365), as scikit-learn's `ledoit_wolf_shrinkage`.

    That one squares a [d, d] matrix: with the variances along the axes at hand it takes none.
    """
    n, d = centred.shape
    error = ((centred**2).sum(axis=1) ** 2).sum() / n**2 - (variances**2).sum() / n
    distance = (variances**2).sum() - variances.sum() ** 2 / d  # from a sphere
    return float(min(error, distance) / distance) if min(error, distance) > 0 else 0.0


def _h_score(whitening: tuple[_Axes, Floats], labels: Ints) -> float:
    (u, s), weights = whitening
    members = _members(labels)
    counts = members.sum(axis=0)
    means = s[:, None] * (u.T @ members) / counts  # of the classes, along the axes
    between: Floats = means**2 @ (counts / len(labels))
    return float((between * weights).sum())


def _transrate(z: Floats, labels: Ints) -> float:
    # Weights n_c / n, as the authors' code (github.com/Long-Kai/TransRate, extract_result_utils.py); the ten lines in
    # the paper weigh classes alike. That code also gives each row the length 1 and divides by the rank, which is not
    # done here. Of simulated features that tell the labels, either variant scored no higher than the best of five
    # shuffles of the labels in most cases: equal weights with 10 % positives (400 images of 50 features), rows of
    # length 1 with a class of half of 700 images and 1,280 features. This one scored above in 80 % or more of both.
    parts = [z[labels == c] for c in range(int(labels.max()) + 1)]
    return max(0.0, _rate(z) - sum(len(part) / len(z) * _rate(part) for part in parts))


def _scaled(features: Floats) -> Floats:
    """Features less their mean, with a covariance of trace 1, or 0 where they are constant."""
    centred = _centred(features)
    length = float(np.sqrt((centred**2).sum() / len(centred)))
    return centred / length if length else centred


def _rate(z: Floats) -> float:
    """Coding rate of rows [n, d]. The determinant is that of ZZᵀ as well, whichever is smaller."""
    gram = z @ z.T if len(z) < z.shape[1] else z.T @ z
    return float(np.linalg.slogdet(np.eye(len(gram)) + gram / (len(z) * DISTORTION))[1] / 2)


def _leep(p: Floats, labels: Ints) -> float:
    joint = p.T @ _members(labels)
    seen = joint.sum(axis=1) > 0  # source classes of probability 0 throughout say nothing
    given = joint[seen] / joint[seen].sum(axis=1, keepdims=True)
    likelihoods = (p[:, seen] @ given)[np.arange(len(labels)), labels]
    return min(0.0, float(np.log(likelihoods).mean()))  # rounding can lift a likelihood of 1


def _probabilities(p: Floats, labels: Labels) -> Floats:
    p = checked(p, labels, "source probabilities")
    sums = p.sum(axis=1, keepdims=True)
    if p.min() < 0 or not np.allclose(sums, 1, atol=1e-3):  # those of a float32 softmax over 1,000 classes are closer
        raise ValueError("source probabilities must be rows of numbers >= 0 with sum 1")
    return np.asarray(p / sums)


def _axes(features: Floats) -> _Axes:
    # A wide matrix is first turned to a triangle: the right vectors, which are long, are not needed.
    n, d = features.shape
    u, s, _ = np.linalg.svd(np.asarray(np.linalg.qr(features.T, "r")).T if n < d else features, full_matrices=False)
    kept = s > RESOLUTION * s[0]
    return u[:, kept], s[kept]


def _centred(features: Floats) -> Floats:
    """Less their mean; less the first row before, so that a constant feature is exactly 0 after."""
    shifted = features - features[0]
    return np.asarray(shifted - shifted.mean(axis=0))


def _members(classes: Ints) -> Floats:
    """[n] in 0..K-1 → [n, K] of 0 and 1."""
    return np.asarray(classes[:, None] == np.arange(classes.max() + 1), dtype=np.float64)
