"""What collapse looks like in numbers: of a matrix Z of N representations, rows z, width d.

Numbers for tables and curves; the verdict on them is `empirical.collapse`'s, which is in no basis and
robust to single rows. Two groups, each blind to what the other sees, so both are always given:

    std, mean cosine            see complete collapse, not the loss of dimensions
    ranks, CEV-AUC              see lost dimensions, not that all outputs are nearly the same

Sources: std of SimSiam (Chen and He 2020), RankMe (Garrido et al. 2022), the area under the
cumulative explained variance (Li, Efros and Pathak 2022), alignment and uniformity (Wang and Isola
2020).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

TINY = 1e-12
NAMES = (
    "std",
    "std_centred",
    "mean_cosine",
    "effective_rank",
    "covariance_rank",
    "rankme",
    "participation",
    "cev_auc",
    "alignment",
    "uniformity",
)
"""What `outputs` measures."""


def std(z: Tensor, *, centred: bool = False) -> Tensor:
    """Return the mean deviation of the coordinates of z/|z|, times sqrt(d): 1 healthy, 0 collapsed.

    With `centred` the mean over the batch is removed first: what is left beside a common offset.
    """
    z = z - z.mean(0) if centred else z
    deviations: Tensor = functional.normalize(z, dim=1).std(0, correction=0)
    return deviations.mean().mul(z.shape[1] ** 0.5)


def mean_cosine(z: Tensor) -> Tensor:
    """Return the mean cosine of two different rows: 0 healthy, 1 collapsed."""
    count = len(z)
    unit = functional.normalize(z, dim=1)
    different: Tensor = unit.sum(0).square().sum() - unit.square().sum()
    return different.div(count * (count - 1))


def _perplexity(weights: Tensor) -> Tensor:
    p = weights / weights.sum().clamp_min(TINY)
    return torch.exp(-(p * torch.log(p.clamp_min(TINY))).sum())


def rankme(z: Tensor) -> Tensor:
    """Return exp of the entropy of the singular values, not centred."""
    return _perplexity(torch.linalg.svdvals(z))


def effective_rank(z: Tensor) -> Tensor:
    """Return exp of the entropy of the singular values, centred (Roy and Vetterli 2007)."""
    return _perplexity(torch.linalg.svdvals(z - z.mean(0)))


def covariance_rank(z: Tensor) -> Tensor:
    """Return exp of the entropy of the covariance's eigenvalues: the same of squared values."""
    return _perplexity(torch.linalg.svdvals(z - z.mean(0)).square())


def participation(z: Tensor) -> Tensor:
    """Return (sum l)^2 / sum l^2 over the covariance's eigenvalues."""
    return _participation(torch.linalg.svdvals(z - z.mean(0)).square())


def _participation(values: Tensor) -> Tensor:
    share: Tensor = values.sum().square() / values.square().sum().clamp_min(TINY)
    return share


def cev_auc(z: Tensor) -> Tensor:
    """Return the area under the cumulative sum of the singular values, centred, rows as they are.

    1/2 + 1/(2d) for a flat spectrum, 1 for rank one; compare at equal d, and N must exceed d.
    """
    return _area(torch.linalg.svdvals(z - z.mean(0)))


def _area(values: Tensor) -> Tensor:
    explained: Tensor = values.cumsum(0) / values.sum().clamp_min(TINY)
    return explained.mean()


def alignment(first: Tensor, second: Tensor) -> Tensor:
    """Return the mean squared distance of the normalised outputs of two views."""
    difference = functional.normalize(first, dim=1) - functional.normalize(second, dim=1)
    return difference.square().sum(1).mean()


def uniformity(z: Tensor) -> Tensor:
    """Return log of the mean of exp(-2 |z - z'|^2) over pairs: very negative healthy, 0 collapsed."""
    unit = functional.normalize(z, dim=1)
    squared = (2 - 2 * unit @ unit.T).clamp_min(0)
    rows, columns = torch.triu_indices(len(z), len(z), offset=1, device=z.device)
    return torch.exp(-2 * squared[rows, columns]).mean().log()


def outputs(z: Tensor, first: Tensor, second: Tensor) -> dict[str, float]:
    """Return all of them for the outputs of images and of two views of them; one transfer."""
    z, first, second = z.double(), first.double(), second.double()
    values = torch.linalg.svdvals(z - z.mean(0))
    named = {
        "std": std(z),
        "std_centred": std(z, centred=True),
        "mean_cosine": mean_cosine(z),
        "effective_rank": _perplexity(values),
        "covariance_rank": _perplexity(values.square()),
        "rankme": rankme(z),
        "participation": _participation(values.square()),
        "cev_auc": _area(values),
        "alignment": alignment(first, second),
        "uniformity": uniformity(z),
    }
    told = torch.stack(list(named.values())).tolist()
    return dict(zip(named, told, strict=True))


def spectra(F_: Tensor, P: Tensor, top: int = 8) -> dict[str, float]:
    """Return how far the predictor shares the eigenvectors of its input's correlation functional.

    `eigen_alignment`: mean over the leading eigenvectors u of F of <u, P u> / |P u|;
    `asymmetry`: |P - P^T| / |P|; `commutator`: |FP - PF| / (|F| |P|).
    """
    F_, P = F_.double(), P.double()
    _, vectors = torch.linalg.eigh((F_ + F_.T) / 2)
    u = vectors[:, -min(top, len(F_)) :]
    moved = P @ u
    along = (u * moved).sum(0) / moved.norm(dim=0).clamp_min(TINY)
    size = P.norm().clamp_min(TINY)
    commutator = (F_ @ P - P @ F_).norm() / (F_.norm().clamp_min(TINY) * size)
    values = torch.stack([along.mean(), (P - P.T).norm() / size, commutator]).tolist()
    return dict(zip(("eigen_alignment", "asymmetry", "commutator"), values, strict=True))


def balance(W: Tensor, P: Tensor, alpha: float) -> float:
    """Return |W W^T - P^T P / alpha| / |W W^T|; the flow lets it decay as exp(-2 eta t)."""
    W, P = W.double(), P.double()
    gram = W @ W.T
    return float((gram - P.T @ P / alpha).norm() / gram.norm().clamp_min(TINY))
