"""Families whose points differ are stable in part; what is open says so and exits with 3."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import equilibria as eq
from empirical.commands.program import main
from equilibria.claims import Claim, decide
from equilibria.systems.procedures import procedure
from equilibria.systems.system_file import read
from equilibria.varieties.component import Component, Stability, Verdict
from equilibria.varieties.elimination import analyze_system

F = Fraction
QUICK = settings(max_examples=20, deadline=None)

SYSTEMS = {
    "hyperbola": """variables = ["x", "y", "z"]
[flow]
x = "1 - x*y"
y = "-y*z"
z = "-y*z"
""",
    "hill": """variables = ["A", "M"]
[definitions]
d1 = "1 + A**5"
d2 = "2 + A"
[flow]
M = "d2*((1.05 - M)*d1 - 1)"
A = "d1*((M - 0.5*A)*d2 - M*A)"
""",
    "brusselator": """variables = ["x", "y"]
[flow]
x = "1 + x**2*y - 3*x"
y = "2*x - x**2*y"
""",
    "centre": """variables = ["x", "y"]
[flow]
x = "x*(1 - y)"
y = "y*(x - 1)"
""",
    "loop": """variables = ["x", "y", "z"]
[flow]
x = "y"
y = "z"
z = "-6*x - 2*y - 3*z"
""",
    "sphere": """variables = ["x", "y", "z", "w"]
[flow]
x = "-2*x*(w + 1)"
y = "-2*y*(w - 1)"
z = "-2*z*(w - 1)"
w = "x**2 + y**2 + z**2 - 1"
""",
    "reaction": """variables = ["A", "B", "C"]
[flow]
A = "-A*B + C"
B = "-A*B + C"
C = "A*B - C"
""",
}


def written(folder: Path, name: str) -> str:
    path = folder / f"{name}.toml"
    path.write_text(SYSTEMS[name])
    return str(path)


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    code = main(["equilibria", "--procedure", *words])
    return code, capsys.readouterr().out


OUTCOMES = {
    "hyperbola": (0, "1 of 1 component of equilibria is stable in part (dim1:a)."),
    "hill": (0, "2 of 4 components of equilibria are stable."),
    "brusselator": (
        3,
        "0 of 1 component of equilibria are known to be stable, 1 undecided (dim0:a).",
    ),
    "centre": (3, "0 of 2 components of equilibria are known to be stable, 1 undecided (dim0:b)."),
    "loop": (3, "0 of 1 component of equilibria are known to be stable, 1 undecided (dim0:a)."),
    "sphere": (3, "0 of 3 components of equilibria are known to be stable, 1 undecided (dim1:a)."),
    "reaction": (0, "1 of 1 component of equilibria is stable in part (dim2:a)."),
}


@pytest.mark.parametrize("name", OUTCOMES)
def test_a_flow_is_judged_as_a_flow_and_what_is_open_is_named(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, name: str
) -> None:
    code, out = run(capsys, written(tmp_path, name), "--json", "-")
    data = json.loads(out)
    assert (code, data["verdict"]["text"]) == OUTCOMES[name]
    assert data["system"]["map"] is None
    for component in data["components"]:
        step = component["map"]
        assert (step["verdict"], step["radius"], step["max_lr"]) == (None, None, None)
        assert "give [map] or --lr" in step["note"]


def test_the_table_has_no_column_that_nobody_asked_for(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = written(tmp_path, "hyperbola")
    code, out = run(capsys, path)
    assert code == 0
    assert "radius" not in out
    assert "flow: stable where y > 0" in out
    assert "at x = 1,  y = 1,  z = 0: flow stable, abscissa -1" in out
    code, out = run(capsys, path, "--lr", "1/10")
    assert "largest h" in out
    assert "map: stable where 0 < y < 20" in out
    assert out.count("in part") >= 2


def test_a_map_that_is_asked_for_is_counted_and_the_flow_beside_it(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    _, out = run(capsys, written(tmp_path, "hill"), "--lr", "1/10", "--json", "-")
    text = json.loads(out)["verdict"]["text"]
    assert text == (
        "For the map 1 of 4 components of equilibria is stable. "
        "For the flow 2 of 4 components of equilibria are stable."
    )


def test_a_flow_counted_beside_the_map_may_be_what_is_undecided(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    code, out = run(capsys, written(tmp_path, "brusselator"), "--lr", "1/10", "--json", "-")
    data = json.loads(out)
    (component,) = data["components"]
    assert (component["flow"]["verdict"], component["map"]["verdict"]) == ("undecided", "unstable")
    assert code == 3
    assert data["verdict"]["undecided_components"] == ["dim0:a"]


def test_a_family_in_part_says_so_in_json_with_its_conditions(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    _, out = run(capsys, written(tmp_path, "hyperbola"), "--lr", "1/10", "--json", "-")
    data = json.loads(out)
    (family,) = data["components"]
    assert family["stable"] == family["flow"]["stable"] == family["map"]["stable"] == "part"
    assert family["stable_where"] == ["-y + 20 > 0", "y > 0"]
    assert family["map"]["max_lr"] is None
    assert family["map"]["numbers_at"] == "representative"
    assert data["verdict"]["stable_in_part"] == data["verdict"]["stable_components"] == ["dim1:a"]


# One line of equilibria whose points are stable where a polynomial is positive.

ROOTS = st.lists(st.tuples(st.integers(-3, 3), st.integers(1, 3)), max_size=3)


@QUICK
@given(ROOTS, st.sampled_from([1, -1]), st.booleans())
def test_a_line_is_stable_everywhere_in_part_or_nowhere(
    roots: list[tuple[int, int]], sign: int, with_complex: bool
) -> None:
    """y' = -y q(x) - y^3 on y = 0: q > 0 is stable, q < 0 is not."""
    factors = [f"(x - ({root}))**{power}" for root, power in dict(roots).items()]
    factors += ["(x**2 + x + 1)"] if with_complex else []
    q = "*".join([str(sign), *factors])
    text = f'variables = ["x", "y"]\n[flow]\nx = "0"\ny = "-y*({q}) - y**3"\n'
    line = next(
        c for c in analyze_system(read(text, "q.toml")).components if c.equations == ("y = 0",)
    )
    odd = any(power % 2 for power in dict(roots).values())
    split = odd or (sign > 0 and bool(roots))
    expected = "in part" if split else ("stable" if sign > 0 else "unstable")
    assert line.flow.words == expected
    value = F(1, 7)
    at = sign * np.prod([float(value - r) ** p for r, p in dict(roots).items()] or [1.0])
    if expected != "in part":
        assert (at > 0) == (expected == "stable")


def test_a_family_that_meets_its_conditions_only_off_the_real_points_is_not_called_stable() -> None:
    """On x = u^2 + 1 the rate is x - 1/2 > 0: unstable at every real point, stable at x < 1/2."""
    text = 'variables = ["x", "u", "y"]\n[flow]\nx = "0"\nu = "x - u**2 - 1"\ny = "y*(x - 1/2)"\n'
    variety = analyze_system(read(text, "f.toml"))
    assert all(not c.flow.is_stable or c.flow.part for c in variety.components)
    for component in variety.components:
        x = component.representative["x"][0][0]
        assert float(getattr(x, "value", x)) >= 1


def test_numbers_that_all_points_share_are_shown_and_others_are_not() -> None:
    same = 'variables = ["x", "y"]\n[flow]\nx = "0"\ny = "-2*y"\n'
    (line,) = analyze_system(read(same, "same.toml"), lr="1/10").components
    assert (line.flow.words, line.flow.common_extent, line.map.largest_step) == ("stable", -2, 1)
    other = same.replace("-2*y", "-y*(1 + x**2)")
    (line,) = analyze_system(read(other, "other.toml"), lr="1/10").components
    assert (line.flow.words, line.flow.common_extent) == ("stable", None)
    assert (line.map.words, line.map.largest_step) == ("in part", None)
    assert line.stable_where is not None
    assert line.stable_where.map == ("-x**2 + 19 > 0",)


def test_a_degenerate_family_with_an_unstable_part_is_undecided() -> None:
    """Eigenvalues +-i and y on the line of y: unstable for y > 0, open for y < 0."""
    text = """variables = ["a", "b", "y", "z"]
[flow]
a = "b"
b = "-a"
y = "0"
z = "y*z - z**3"
"""
    lines = analyze_system(read(text, "f.toml")).components
    line = next(c for c in lines if "z = 0" in c.equations)
    assert line.flow.is_open
    assert "degenerate at every point, unstable unless -y > 0" in line.note


# Families of the built-in procedures, against the dense Jacobian of the polynomials.


def rates(
    model: eq.Model, W: np.ndarray, P: np.ndarray, dimension: int, kind: str = "flow"
) -> np.ndarray:
    """Return real parts (moduli) of the eigenvalues at an equilibrium but for the neutral ones."""
    system = procedure(model.procedure).build(model)
    names = list(system.flow if kind == "flow" else system.map)
    point = dict.fromkeys(names, 0.0)
    for letter, matrix in (("W", W), ("P", P), ("T", W)):
        for (i, j), value in np.ndenumerate(matrix):
            if f"{letter}_{i + 1}_{j + 1}" in point:
                point[f"{letter}_{i + 1}_{j + 1}"] = float(value)
    values = system.evaluate(point, kind)
    still = [values[x] - (point[x] if kind == "map" else 0) for x in names]
    assert max(map(abs, still)) < 1e-9
    jacobian = np.zeros((len(names), len(names)))
    index = {name: place for place, name in enumerate(names)}
    for (row, column), entry in system.jacobian(kind).items():
        jacobian[index[row], index[column]] = entry.evaluate(point, float)
    values = np.linalg.eigvals(jacobian)
    rest = 0 if kind == "flow" else 1
    others = values[np.argsort(abs(values - rest))][dimension:]
    return others.real if kind == "flow" else abs(others)


def on_family(
    model: eq.Model, active: tuple[int, ...], rng: np.random.Generator
) -> list[np.ndarray]:
    """Return a random W, P of C_J: columns v_j are eigenvectors of P for c_j, the rest is free."""
    assert model.moments.total is not None
    assert model.moments.signal is not None
    c = [float(m / s) for m, s in zip(model.moments.signal, model.moments.total, strict=True)]
    basis = rng.standard_normal((model.n, model.n))
    values = [c[j - 1] for j in active] + list(2 * rng.standard_normal(model.n - len(active)))
    triangle = np.diag(values) + np.triu(rng.standard_normal((model.n, model.n)), 1)
    triangle[: len(active), : len(active)] = np.diag(values[: len(active)])
    P = basis @ triangle @ np.linalg.inv(basis)
    W = np.zeros((model.n, model.d))
    for place, j in enumerate(active):
        W[:, j - 1] = basis[:, place] * rng.lognormal()
    return [W, P]


MODELS = {
    "one row": eq.Model(weight_decay=0, embed_dim=1),
    "two rows": eq.Model(weight_decay=0),
    "three modes": eq.Model(
        weight_decay=0, moments=eq.Moments.commuting(signal=["9/10", "3/5", "1/3"], noise="1/4")
    ),
    "averaged": eq.Model(procedure="ema", ema="9/10", weight_decay=0),
    "both signs": eq.Model(
        weight_decay=0, embed_dim=1, moments=eq.Moments.commuting(signal=[1, "-1/2"], noise="3/4")
    ),
}


@pytest.mark.parametrize("name", MODELS)
def test_what_holds_at_every_point_holds_at_random_ones(name: str) -> None:
    model = MODELS[name]
    rng = np.random.default_rng(3)
    for component in eq.analyze(model).components:
        if component.modes is None:
            continue
        for _ in range(40):
            found = rates(model, *on_family(model, component.modes, rng), component.dimension)
            if component.flow.words == "unstable":
                assert found.max() > 0
            elif component.flow.words == "stable":
                assert found.max() < 0


def test_a_family_unstable_where_it_is_aligned_has_stable_points() -> None:
    """P = [[c, 1], [0, c]]: the block of mode 1 has trace below and determinant above zero."""
    for model in (MODELS["two rows"], MODELS["averaged"]):
        component = eq.analyze(model).component("rank1:2+")
        W, P = np.array([[0.0, 1.0], [0.0, 0.0]]), np.array([[0.75, 1.0], [0.0, 0.75]])
        assert rates(model, W, P, component.dimension).max() < 0
        assert rates(model, W, P, component.dimension, "map").max() < 1
        assert (component.flow.words, component.map.words) == ("in part", "in part")
        assert (component.flow.verdict, component.flow.elsewhere) == (Verdict.UNSTABLE, True)


def test_every_verdict_of_a_family_is_that_of_its_representative() -> None:
    for name, model in MODELS.items():
        for component in eq.analyze(model).components:
            if component.modes is None:
                continue
            W, P = (
                np.array([[float(getattr(x, "value", x)) for x in row] for row in rows])
                for rows in (component.representative[letter] for letter in "WP")
            )
            for kind, part, rest in (("flow", component.flow, 0), ("map", component.map, 1)):
                found = rates(model, W, P, component.dimension, kind).max()
                assert (found < rest) == (part.verdict is Verdict.STABLE), (name, component.id)


def test_a_family_is_kept_by_the_map_where_its_balanced_point_is_not() -> None:
    for lr in ("5/2", "4", "10", "100"):
        model = eq.Model(
            weight_decay=0,
            embed_dim=1,
            moments=eq.Moments.commuting(signal=[1], noise="1/4"),
            lr=lr,
        )
        component = eq.analyze(model).component("rank1:1+")
        assert component.map.words == "in part"


@pytest.mark.parametrize(
    ("eta", "everywhere"), [("1/5", False), ("199/1000", False), ("201/1000", True)]
)
@pytest.mark.parametrize("name", ["stop-gradient", "ema"])
def test_decay_of_the_encoder_alone_is_stable_at_every_predictor_or_not(
    name: str, eta: str, everywhere: bool
) -> None:
    """max m^2/(4 s) is 1/5 here."""
    model = eq.Model(procedure=name, weight_decay=eta, predictor_weight_decay=0)
    (component,) = eq.analyze(model).components
    assert component.flow.words == ("stable" if everywhere else "in part")
    assert component.map.words == "in part"
    rng = np.random.default_rng(5)
    zero = np.zeros((2, 2))
    spots = [rng.standard_normal((2, 2)) * rng.lognormal() for _ in range(60)]
    found = [rates(model, zero, P, 4).max() for P in [*spots, 0.4 * np.eye(2)]]
    assert everywhere == (max(found) < -1e-9)


def test_joint_without_decay_of_the_predictor_is_kept_where_it_is_small() -> None:
    model = eq.Model(procedure="joint", predictor_weight_decay=0)
    (component,) = eq.analyze(model).components
    assert (component.flow.words, component.map.words) == ("stable", "in part")
    zero = np.zeros((2, 2))
    assert rates(model, zero, 9 * np.eye(2), 4).max() < 0
    assert rates(model, zero, 9 * np.eye(2), 4, "map").max() > 1


# Claims, LaTeX, HTML.


def outcome(model: dict[str, str], **holds: object) -> str:
    checks = {key.replace("_", "-"): value for key, value in holds.items()}
    return decide(Claim(id="c", says="x", source="here", model=model, holds=checks)).verdict


def test_claims_tell_every_point_from_some() -> None:
    model = {"weight-decay": "0", "embed-dim": "1"}
    assert outcome(model, stable=["rank1:1+"]) == "refuted"
    assert outcome(model, unstable=["rank1:1+"]) == "refuted"
    assert outcome(model, stable_part=["rank1:1+"]) == "certified"
    assert outcome(model, stable_part_map=["rank1:2+"]) == "refuted"
    assert outcome(model, unstable_flow=["rank1:2+"]) == "certified"
    assert outcome(model, stable_exactly=["rank1:1+", "rank0"]) == "certified"
    assert outcome({"weight-decay": "0"}, unstable=["rank1:2+"]) == "refuted"
    assert outcome({"weight-decay": "0"}, stable_part=["rank1:2+"]) == "certified"


def test_a_model_in_part_says_so_everywhere() -> None:
    report = eq.analyze(MODELS["one row"])
    assert "2 of 3 components are stable in part" in report.summary.text
    assert report.summary.in_part == ("rank1:1+", "rank0")
    assert "in part" in report._repr_latex_()
    assert "in part" in report._repr_html_()
    measured = eq.Model(weight_decay=0, floating=True)  # no exact point is looked for
    open_one = eq.analyze(measured)
    assert open_one.summary.undecided == ("rank1:2+",)
    assert open_one.summary.text.endswith("Undecided: rank1:2+.")


@pytest.mark.parametrize("procedure_name", ["stop-gradient", "direct-copy"])
def test_a_short_list_does_not_lose_what_is_undecided(procedure_name: str) -> None:
    """At m^2 = 4 s eta the roots of the mode meet: whether it can be learned is open."""
    model = eq.Model(
        procedure=procedure_name,
        moments=eq.Moments.isotropic(signal=[1], variance=1),
        embed_dim=1,
        weight_decay="1/4",
    )
    whole, short = eq.analyze(model), eq.analyze(model, max_components=1)
    assert whole.summary.undecided == short.summary.undecided == ("rank1:1+",)
    assert short.summary.text.startswith("Only full collapse is known to be stable.")


def test_a_condition_that_holds_on_the_whole_line_is_none() -> None:
    text = 'variables = ["x", "y"]\n[flow]\nx = "0"\ny = "-y*(x**4 - x + 1)"\n'
    (line,) = analyze_system(read(text, "f.toml")).components
    assert line.flow.words == "stable"
    assert line.note == "flow: stable everywhere"


def test_the_words_of_a_verdict() -> None:
    def words(verdict: Verdict, **changes: bool) -> tuple[str, bool, bool]:
        part = Stability(verdict, eq.How.PROVED, 0, None, **changes)
        return part.words, part.is_stable, part.is_open

    assert words(Verdict.STABLE, part=True) == ("in part", True, False)
    assert words(Verdict.UNSTABLE, part=True) == ("undecided", False, True)
    assert words(Verdict.UNSTABLE, part=True, elsewhere=True) == ("in part", True, False)
    assert words(Verdict.UNDECIDED, judged=False) == ("-", False, False)
    assert isinstance(eq.analyze(MODELS["one row"]).components[0], Component)


def test_families_of_moments_that_do_not_commute_are_seen_at_one_point() -> None:
    moments = eq.Moments.dense([[2, "3/10"], ["3/10", 1]], [[1, "1/10"], ["1/10", "2/5"]])
    report = eq.analyze(eq.Model(weight_decay=0, moments=moments))
    full = report.component("rank2:a")
    assert (full.flow.words, full.map.words, full.map.largest_step) == ("in part", "in part", None)
    assert "in part" in report.summary.text
    W, P = (
        np.array([[float(x) for x in row] for row in full.representative[letter]])
        for letter in "WP"
    )
    model = report.model
    assert rates(model, W, P, 4).max() < 0
    assert rates(model, W, P, 4, "map").max() < 1
    assert rates(model, 9 * W, P, 4, "map").max() > 1


OPEN = "Whether some Riemannian metric makes it a gradient field is open"


@pytest.mark.parametrize(
    ("flow", "sentences"),
    [
        ({"x": "y - x**2", "y": "-y + x**2"}, ["Whether a constant metric", OPEN]),
        ({"x": "2*y", "y": "x"}, ["A gradient field for the constant metric", "So there is a"]),
        ({"x": "y", "y": "-x"}, ["No constant metric", OPEN]),
    ],
)
def test_what_is_said_of_metrics_are_sentences(tmp_path, capsys, flow, sentences):
    body = "\n".join(f'{name} = "{entry}"' for name, entry in flow.items())
    path = tmp_path / "s.toml"
    path.write_text(f'name = "s"\nvariables = ["x", "y"]\n[flow]\n{body}\n')
    main(["equilibria", "--procedure", str(path)])
    lines = capsys.readouterr().out.splitlines()
    for sentence in sentences:
        assert any(line.startswith(sentence) for line in lines)
    assert not any(line.startswith(("no ", "none ", "on the")) for line in lines)


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ({"predictor_weight_decay": 0}, "Only full collapse is stable, at part of its points."),
        (
            {"procedure": "joint", "weight_decay": 0},
            "Only full collapse is stable, at part of its points: without stop-gradient there is no "
            "other equilibrium.",
        ),
        (
            {"procedure": "joint"},
            "Only full collapse is stable: without stop-gradient there is no ",
        ),
    ],
)
def test_collapse_that_is_stable_in_part_says_so_in_the_headline(more, sentence):
    assert eq.analyze(eq.Model(embed_dim=1, **more)).summary.text.startswith(sentence)
