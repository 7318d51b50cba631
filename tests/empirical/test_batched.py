"""The fast step against autograd (vmap of grad), against SGD, and against itself in other company."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from empirical.linear.batched import BatchedMap, Rates, Second  # noqa: E402
from empirical.linear.minibatch_noise import DataBatches, GaussianBatches  # noqa: E402
from empirical.linear.model import LinearTraining  # noqa: E402
from empirical.linear.objectives import matrix_power, moment_pairs  # noqa: E402
from empirical.linear.products import product  # noqa: E402
from equilibria.data.moments import Moments  # noqa: E402
from equilibria.errors import FormatError  # noqa: E402
from equilibria.systems.model import Model  # noqa: E402
from equilibria.systems.procedures import PROCEDURES  # noqa: E402

KINDS = sorted(PROCEDURES)


def rates(count: int, *, momentum: float = 0.0, seed: int = 0) -> Rates:
    """Return different rates for every run."""
    g = np.random.default_rng(seed)
    ranges = [(0.01, 0.1), (0.0, 0.1), (0.5, 2.0), (0.0, 0.1), (0.5, 0.99), (momentum, momentum)]
    draws = [g.uniform(low, high, count) for low, high in ranges]
    return Rates(*(torch.tensor(draw) for draw in draws))


def moments_of(form: str, count: int, d: int) -> Second:
    g = np.random.default_rng(1)
    if form in ("diagonal", "diagonals"):
        shape = (d,) if form == "diagonal" else (count, 1, d)
        s, m = g.uniform(1, 2, shape), g.uniform(-0.5, 1, shape)
        return Second(torch.tensor(s), torch.tensor(m), torch.tensor(s), diagonal=True)
    shape = (d, d) if form == "full" else (count, d, d)
    a, b = g.normal(size=shape), g.normal(size=shape)
    sigma = a @ a.swapaxes(-1, -2) / d + np.eye(d)
    m = b if form == "batches" else (b + b.swapaxes(-1, -2)) / 2
    other = sigma + 0.5 * np.eye(d) if form == "batches" else sigma
    return Second(*(torch.tensor(x) for x in (sigma, m, other)))


def full(part: torch.Tensor, count: int, *, diagonal: bool) -> torch.Tensor:
    if diagonal:
        part = torch.diag_embed(part if part.ndim == 1 else part[:, 0])
    return part.expand(count, -1, -1) if part.ndim == 2 else part


def gradient_by_autograd(kind: str, W, P, T, sigma, m, sigma_y):
    """Return -dL/dW, -dL/dP of the population loss, for all runs by vmap(grad)."""

    def loss(W, P, T, sigma, m, sigma_y):
        if kind == "contrastive":
            return -0.5 * torch.trace(W @ m @ W.T) + 0.25 * (W @ sigma @ W.T).square().sum()
        target = {"joint": W, "ema": T.detach()}.get(kind, W.detach())
        return (
            0.5 * torch.trace(P @ W @ sigma @ W.T @ P.T)
            - torch.trace(P @ W @ m.T @ target.T)
            + 0.5 * torch.trace(target @ sigma_y @ target.T)
        )

    return torch.func.vmap(torch.func.grad(loss, argnums=(0, 1)))(W, P, T, sigma, m, sigma_y)


@pytest.mark.parametrize("form", ["diagonal", "diagonals", "full", "batches"])
@pytest.mark.parametrize("kind", KINDS)
def test_one_step_is_minus_the_gradient_of_the_loss(kind: str, form: str) -> None:
    count, n, d = 7, 3, 4
    moments, some = moments_of(form, count, d), rates(count)
    g = torch.Generator().manual_seed(0)
    W, T = (torch.randn(count, n, d, dtype=torch.float64, generator=g) for _ in range(2))
    P = torch.randn(count, n, n, dtype=torch.float64, generator=g)
    step = BatchedMap(kind, some, moments, n, d)
    state = step.start(W, P, T)
    P = state["P"].clone()
    parts = (moments.sigma, moments.m, moments.sigma_y)
    matrices = (full(part, count, diagonal=moments.diagonal) for part in parts)
    gW, gP = gradient_by_autograd(kind, W, P, T, *matrices)
    step.advance(state)
    column = {
        name: getattr(some, name)[:, None, None] for name in ("h", "eta", "alpha", "eta_p", "mu")
    }
    expected_w = W - column["h"] * (gW + column["eta"] * W)
    torch.testing.assert_close(state["W"], expected_w, rtol=1e-12, atol=1e-12)
    if step.learned:
        expected_p = P - column["h"] * (column["alpha"] * gP + column["eta_p"] * P)
        torch.testing.assert_close(state["P"], expected_p, rtol=1e-12, atol=1e-12)
    if kind == "ema":
        expected_t = column["mu"] * T + (1 - column["mu"]) * expected_w
        torch.testing.assert_close(state["T"], expected_t, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("momentum", ["0", "9/10"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_hundred_steps_agree_with_autograd_and_sgd(kind: str, momentum: str) -> None:
    sigma = [["3/2", "1/4", "0"], ["1/4", "1", "1/8"], ["0", "1/8", "5/4"]]
    m = [["1", "1/8", "0"], ["1/8", "1/2", "0"], ["0", "0", "3/4"]]
    model = Model(
        procedure=kind, moments=Moments.dense(sigma, m), embed_dim=2, lr="1/50", momentum=momentum,
        **({"predictor_lr": "2", "predictor_weight_decay": "1/30"} if kind in ("joint", "ema") else {}),
    )  # fmt: skip
    g = np.random.default_rng(0)
    W, P = g.normal(size=(1, 2, 3)) / 2, g.normal(size=(1, 2, 2)) / 2
    one = torch.ones(1, dtype=torch.float64)
    some = Rates(
        *(
            one * float(x)
            for x in (model.h, model.eta, model.alpha, model.eta_p, model.mu, model.nu)
        )
    )
    data = Second(
        *(torch.tensor(x) for x in (*model.moments.matrices(), model.moments.matrices()[0]))
    )
    step = BatchedMap(kind, some, data, 2, 3, momentum=bool(model.nu))
    state = step.start(torch.tensor(W), torch.tensor(P))
    training = LinearTraining(model, W[0], P[0])
    pairs = moment_pairs(*model.moments.matrices())
    for _ in range(100):
        step.advance(state)
        training.step(pairs)
    for letter, value in training.state.items():
        if letter == "P" and kind == "contrastive":
            continue
        np.testing.assert_allclose(state[letter][0].numpy(), value, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(("n", "d"), [(1, 1), (2, 2), (3, 5), (8, 8), (16, 9), (33, 40), (33, 33)])
@pytest.mark.parametrize("form", ["diagonal", "full", "batches"])
@pytest.mark.parametrize("kind", ["ema", "joint", "direct-pred", "contrastive"])
def test_a_run_has_the_same_bits_in_any_company(kind: str, form: str, n: int, d: int) -> None:
    count = 53
    g = torch.Generator().manual_seed(n)
    W = torch.randn(count, n, d, dtype=torch.float64, generator=g) / d**0.5
    P = torch.randn(count, n, n, dtype=torch.float64, generator=g) / n**0.5
    moments, some = moments_of(form, count, d), rates(count, momentum=0.5 if n == 3 else 0.0)

    def run(rows: slice | torch.Tensor) -> dict[str, torch.Tensor]:
        step = BatchedMap(kind, some.rows(rows), moments.rows(rows), n, d, momentum=n == 3)
        state = step.start(W[rows], P[rows])
        for _ in range(5):
            step.advance(state)
        return state

    whole = run(slice(0, count))
    for rows in (slice(0, 1), slice(3, 4), slice(1, 18), slice(40, 53), torch.tensor([2, 50, 7])):
        part = run(rows)
        assert all(torch.equal(part[name], whole[name][rows]) for name in whole)


SOME = (
    slice(0, 1),
    slice(3, 4),
    slice(1, 18),
    slice(40, 53),
    slice(0, 52),
    torch.tensor([2, 50, 7]),
)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("shape", [(2, 2, 2), (7, 8, 9), (9, 9, 9), (16, 12, 20), (33, 33, 33),
                                   (33, 40, 40), (400, 400, 1), (1, 30, 30)])  # fmt: skip
def test_a_product_has_the_same_bits_in_any_company(shape: tuple[int, ...], dtype) -> None:
    n, k, m = shape
    g = torch.Generator().manual_seed(n)
    a = torch.randn(53, n, k, dtype=dtype, generator=g)
    b = torch.randn(53, k, m, dtype=dtype, generator=g)
    at, bt = a.mT.contiguous().mT, b.mT.contiguous().mT
    shared = b[:1].expand(53, k, m)
    tolerance = 1e-12 if dtype == torch.float64 else 1e-4
    for x, y in ((a, b), (at, b), (a, bt), (at, bt), (a, shared)):
        whole = product(x, y)
        torch.testing.assert_close(whole, x @ y, rtol=tolerance, atol=tolerance)
        into = torch.empty(53, n, m, dtype=dtype)
        assert product(x, y, into).data_ptr() == into.data_ptr()
        assert torch.equal(into, whole)
        for rows in SOME:
            assert torch.equal(product(x[rows], y[rows]), whole[rows])


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 8, 9, 33])
def test_a_root_is_one_and_has_the_same_bits_in_any_company(n: int) -> None:
    g = torch.Generator().manual_seed(n)
    z = torch.randn(53, n, n, dtype=torch.float64, generator=g)
    z[::5] = 0  # collapsed
    z[1::5, -1] = 0  # one dimension lost
    F = z @ z.mT
    roots = matrix_power(F, 0.5)
    torch.testing.assert_close(roots @ roots, F, rtol=1e-12, atol=1e-12)
    assert float(torch.linalg.eigvalsh(roots).min()) > -1e-12
    for rows in SOME:
        assert torch.equal(matrix_power(F[rows], 0.5), roots[rows])
    torch.testing.assert_close(matrix_power(F[0], 0.5), roots[0], rtol=0, atol=0)


def test_random_numbers_belong_to_a_run_and_a_step() -> None:
    like = torch.zeros(1, dtype=torch.float64)

    def first(seed: int, step: int, run: int) -> float:
        batches = GaussianBatches(np.eye(2), np.eye(2) / 2, 16, seed, like=like)
        return float(batches.moments(step, np.array([run])).m[0, 0, 0])

    steps = [1, 2, 63, 64, 65, 66, 129]
    drawn = [first(seed, step, run) for seed in (0, 1) for run in (0, 1) for step in steps]
    assert len(set(drawn)) == len(drawn)
    in_order = GaussianBatches(np.eye(2), np.eye(2) / 2, 16, 0, like=like)
    assert [float(in_order.moments(step, np.arange(2)).m[1, 0, 0]) for step in steps] == drawn[7:14]


@pytest.mark.parametrize("size", [3, 64])
def test_gaussian_batches_have_the_law_of_their_samples(size: int) -> None:
    sigma, m = np.diag([1.5, 1.0]), np.diag([1.0, -0.25])
    runs = 10_000
    like = torch.zeros(1, dtype=torch.float64)
    batches = GaussianBatches(sigma, m, size, 0, like=like)
    steps = [batches.moments(step, np.arange(runs)) for step in (1, 2, 3, 4)]
    drawn = Second(*(torch.cat([getattr(s, x) for s in steps]) for x in ("sigma", "m", "sigma_y")))
    runs *= len(steps)
    noise = 6 * 1.5 / np.sqrt(size * runs)
    np.testing.assert_allclose(drawn.sigma.mean(0), sigma, atol=noise)
    np.testing.assert_allclose(drawn.m.mean(0), m, atol=noise)
    # Isserlis: Var (y_1 x_1) = (s^2 + m^2)/B and Var (y_1 x_2) = s_1 s_2 / B.
    np.testing.assert_allclose(drawn.m[:, 0, 0].var() * size, 1.5**2 + 1.0, rtol=0.05)
    np.testing.assert_allclose(drawn.m[:, 0, 1].var() * size, 1.5, rtol=0.05)
    third = ((drawn.sigma[:, 0, 0] - 1.5) ** 3).mean() * size**2
    np.testing.assert_allclose(third, 8 * 1.5**3, rtol=0.2)  # third cumulant of a chi-square


def test_gaussian_batches_need_moments_that_views_can_have() -> None:
    with pytest.raises(FormatError, match="--batch-size 8: no pair of views"):
        GaussianBatches(np.eye(2), 2 * np.eye(2), 8, 0, like=torch.zeros(1, dtype=torch.float64))


def test_batches_of_data_come_from_the_data_in_both_orders() -> None:
    x, y = np.array([[1.0, 0.0], [0.0, 2.0]]), np.array([[0.0, 1.0], [3.0, 0.0]])
    batches = DataBatches(x, y, 1, 0, like=torch.zeros(1, dtype=torch.float64))
    drawn = batches.moments(3, np.arange(4000)).m.numpy()
    kinds, counts = np.unique(drawn.reshape(-1, 4), axis=0, return_counts=True)
    expected = {(0, 0, 1, 0), (0, 1, 0, 0), (0, 6, 0, 0), (0, 0, 6, 0)}
    assert {tuple(kind) for kind in kinds.astype(int).tolist()} == expected
    assert counts.min() > 850


@pytest.mark.parametrize("d", [3, 11])
@pytest.mark.parametrize("source", ["gaussian", "data"])
def test_a_batch_does_not_depend_on_the_other_runs(source: str, d: int) -> None:
    like = torch.zeros(1, dtype=torch.float64)
    if source == "gaussian":
        batches = GaussianBatches(np.eye(d), np.eye(d) / 2, 16, 9, like=like)
    else:
        g = np.random.default_rng(0)
        batches = DataBatches(g.normal(size=(50, d)), g.normal(size=(50, d)), 16, 9, like=like)
    whole = batches.moments(12, np.arange(30))
    for rows in (np.array([4]), np.array([1, 5, 29]), np.arange(7, 20)):
        part = batches.moments(12, rows)
        assert torch.equal(part.m, whole.m[rows])
        assert torch.equal(part.sigma, whole.sigma[rows])
