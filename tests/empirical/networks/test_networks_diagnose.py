"""Collapse in numbers: known spectra, definitions, and what each number is blind to."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from empirical.networks import diagnose
from empirical.networks.evaluate import knn, linear_probe


def draws(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def with_singular_values(values: list[float], count: int) -> Tensor:
    """A centred matrix with these singular values."""
    d = len(values)
    raw = draws(count, d)
    left = torch.linalg.qr(raw - raw.mean(0))[0]
    return left * torch.tensor(values, dtype=torch.float64) @ torch.linalg.qr(draws(d, d))[0].T


def test_ranks_of_a_known_spectrum() -> None:
    flat, lone = with_singular_values([2.0] * 4, 50), with_singular_values([1.0, 0, 0, 0], 50)
    for rank in (diagnose.rankme, diagnose.effective_rank, diagnose.participation):
        assert float(rank(flat)) == pytest.approx(4)
        assert float(rank(lone)) == pytest.approx(1, abs=1e-6)
    mixed = with_singular_values([3.0, 1.0], 50)
    entropy = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25))
    assert float(diagnose.effective_rank(mixed)) == pytest.approx(math.exp(entropy))
    squares = -(0.9 * math.log(0.9) + 0.1 * math.log(0.1))
    assert float(diagnose.covariance_rank(mixed)) == pytest.approx(math.exp(squares))
    assert float(diagnose.participation(mixed)) == pytest.approx(100 / 82)


def test_the_area_is_its_definition_and_lies_between_its_ends() -> None:
    values = [4.0, 2.0, 1.0, 1.0]
    area = sum(sum(values[: k + 1]) / sum(values) for k in range(4)) / 4
    assert float(diagnose.cev_auc(with_singular_values(values, 30))) == pytest.approx(area)
    assert float(diagnose.cev_auc(with_singular_values([1.0] * 4, 30))) == pytest.approx(
        0.5 + 1 / 8
    )
    assert float(diagnose.cev_auc(with_singular_values([1.0, 0, 0, 0], 30))) == pytest.approx(1)


def test_std_is_one_for_gaussian_outputs_and_zero_for_equal_ones() -> None:
    assert float(diagnose.std(draws(4000, 16))) == pytest.approx(1, abs=0.02)
    assert float(diagnose.std(torch.ones(10, 4).double())) == pytest.approx(0, abs=1e-12)


def test_an_offset_is_seen_by_std_and_not_by_the_centred_ones() -> None:
    z = draws(500, 8) + 10
    assert float(diagnose.std(z)) < 0.15
    assert float(diagnose.mean_cosine(z)) > 0.95
    assert float(diagnose.std(z, centred=True)) == pytest.approx(1, abs=0.05)
    assert float(diagnose.effective_rank(z)) > 7.5


def test_pairs_are_the_double_loop() -> None:
    z = draws(6, 3)
    unit = z / z.norm(dim=1, keepdim=True)
    pairs = [(i, j) for i in range(6) for j in range(6) if i != j]
    cosines = [float(unit[i] @ unit[j]) for i, j in pairs]
    assert float(diagnose.mean_cosine(z)) == pytest.approx(sum(cosines) / len(pairs))
    close = [math.exp(-2 * float((unit[i] - unit[j]).square().sum())) for i, j in pairs]
    assert float(diagnose.uniformity(z)) == pytest.approx(math.log(sum(close) / len(pairs)))
    other = draws(6, 3, seed=1)
    unit2 = other / other.norm(dim=1, keepdim=True)
    apart = float((unit - unit2).square().sum(1).mean())
    assert float(diagnose.alignment(z, other)) == pytest.approx(apart)


def test_a_predictor_in_the_eigenbasis_is_aligned() -> None:
    basis = torch.linalg.qr(draws(5, 5))[0]
    values = torch.arange(1.0, 6).double()
    found = diagnose.spectra(basis * values @ basis.T, basis * values.sqrt() @ basis.T)
    assert found["eigen_alignment"] == pytest.approx(1)
    assert found["asymmetry"] == pytest.approx(0, abs=1e-12)
    assert found["commutator"] == pytest.approx(0, abs=1e-12)
    other = diagnose.spectra(basis * values @ basis.T, draws(5, 5))
    assert abs(other["eigen_alignment"]) < 0.9
    assert other["asymmetry"] > 0.5


def test_balance_is_zero_where_the_theorem_says() -> None:
    P = draws(3, 3)
    W = P.T @ torch.eye(3, 7).double() / 2**0.5  # W W' = P'P / 2
    assert diagnose.balance(W, P, 2.0) == pytest.approx(0, abs=1e-12)
    assert diagnose.balance(W, P, 1.0) > 0.5


def test_all_of_them_at_once_are_each_by_itself() -> None:
    z, first, second = draws(40, 6), draws(40, 6, seed=1), draws(40, 6, seed=2)
    numbers = diagnose.outputs(z, first, second)
    assert tuple(numbers) == diagnose.NAMES
    for name in ("std", "effective_rank", "covariance_rank", "rankme", "participation", "cev_auc"):
        assert numbers[name] == pytest.approx(float(getattr(diagnose, name)(z))), name
    assert numbers["alignment"] == pytest.approx(float(diagnose.alignment(first, second)))


def test_knn_and_the_linear_probe_tell_clusters_apart_and_not_noise() -> None:
    labels = torch.arange(300) % 3
    centres = torch.eye(3, 8).double() * 6
    clusters = centres[labels] + draws(300, 8)
    noise = draws(300, 8, seed=3)
    bank, queries = slice(0, 200), slice(200, 300)
    for judge in (knn, linear_probe):
        told = [
            judge(x[bank], labels[bank], x[queries], labels[queries]) for x in (clusters, noise)
        ]
        assert told[0] > 0.97
        assert told[1] < 0.55
