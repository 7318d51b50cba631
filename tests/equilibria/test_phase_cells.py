"""Cells of phase diagrams against the verdicts of `analyze`, and the machinery around them."""

from __future__ import annotations

import json
from fractions import Fraction
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from equilibria import analyze
from equilibria.commands.outputs import finish
from equilibria.commands.phase import COMMAND
from equilibria.data.moments import Moments
from equilibria.errors import EngineMissing, FormatError, ScopeError
from equilibria.phase import diagram_lines, make_axis, parse_axis, phase_diagram
from equilibria.phase.cells import evaluate
from equilibria.phase.setting import Setting
from equilibria.phase.spread import spread
from equilibria.phase.strata import stratum_name
from equilibria.phase.verdicts import BOUNDARY_KINDS
from equilibria.systems.model import Model, default_signal
from equilibria.varieties.commuting.modes import modes_of, states_of
from equilibria.varieties.component import Verdict
from tests.equilibria.test_phase_simulation import Case, multipliers

SMALL = st.fractions(min_value=Fraction(1, 6), max_value=2, max_denominator=12)
BOOTSTRAP = ("stop-gradient", "ema")


@st.composite
def cells(
    draw,
    *,
    procedures=BOOTSTRAP,
    decays=("equal",),
    momenta=(Fraction(0), Fraction(1, 2), Fraction(9, 10)),
):
    """Draw a setting and one cell of two axes, with n and d in 1..4 and any signs of M."""
    d, n = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    sign = st.sampled_from([1, 1, 1, -1])
    signal = [draw(SMALL) * draw(sign) for _ in range(d)]
    total = [draw(SMALL) for _ in range(d)]
    bound = max(m * m / (4 * s) for m, s in zip(signal, total, strict=True))
    name, decay = draw(st.sampled_from(procedures)), draw(st.sampled_from(decays))
    model = Model(
        procedure=name,
        moments=Moments.commuting(signal=signal, total=total),
        embed_dim=n,
        lr=draw(st.sampled_from([Fraction(1, 10), Fraction(1), Fraction(3)])),
        weight_decay=bound
        * draw(st.fractions(Fraction(1, 20), Fraction(19, 20), max_denominator=20)),
        predictor_weight_decay=bound / 4 if decay == "fixed" else None,
        ema=draw(st.sampled_from([Fraction(0), Fraction(1, 2), Fraction(99, 100)]))
        if name == "ema"
        else None,
        momentum=draw(st.sampled_from(momenta)),
    )
    ranges = {
        "lr": (Fraction(1, 50), Fraction(6)),
        "weight-decay": (bound / 30, bound * Fraction(11, 10)),
        "predictor-lr": (Fraction(1, 20), Fraction(3)),
    }
    if name == "ema":
        ranges["ema"] = (Fraction(0), Fraction(99, 100))
    x, y = draw(st.permutations(sorted(ranges)))[:2]
    at = {
        axis: low + (high - low) * draw(st.fractions(0, 1, max_denominator=50))
        for axis, (low, high) in ((k, ranges[k]) for k in (x, y))
    }
    return Setting(model, x, y, decay), at[x], at[y]


def stable_names(setting: Setting, x: Fraction, y: Fraction) -> tuple[list[set[str]], int]:
    found = evaluate(setting, [x], [y], 0, 1)
    flow, step = found.answers[found.index[0]]
    return [set(map(stratum_name, s.masks)) for s in (flow, step)], int(found.boundary[0])


def check(setting: Setting, x: Fraction, y: Fraction) -> None:
    mine, mark = stable_names(setting, x, y)
    components = analyze(setting.model_at(x, y), max_components=10**4).components
    model = setting.model_at(x, y)
    for kind, names in zip(("flow", "map"), mine, strict=True):
        if kind == "map" and model.nu and model.mu and setting.decay != "equal":
            check_by_multipliers(model, names)
            continue
        theirs = {c.id for c in components if getattr(c, kind).verdict is Verdict.STABLE}
        assert names == theirs, (kind, mark)
    undecided = any(Verdict.UNDECIDED in (c.flow.verdict, c.map.verdict) for c in components)
    assert mark or not undecided


def check_by_multipliers(model: Model, names: set[str]) -> None:
    """Compare with the map's own Jacobian.

    With momentum the map's target is faster than beta = (1 - mu)/h by the factor 1 - nu, so a
    stratum that oscillates in that flow can be stable in the map.
    """
    modes = modes_of(model.moments)
    alive = [j for j, mode in enumerate(modes) if states_of(mode, model.eta)]
    if len({(mode.s, mode.m) for mode in modes}) < len(modes):
        return  # equal modes have more neutral directions than `multipliers` leaves out
    for size in range(min(len(alive), model.n) + 1):
        for chosen in combinations(alive, size):
            radius = float(np.abs(multipliers(Case("", model, chosen))).max(initial=0.0))
            name = stratum_name(sum(1 << j for j in chosen))
            if abs(radius - 1) > 1e-6:
                assert (name in names) == (radius < 1), (name, radius)


@settings(max_examples=120, deadline=None)
@given(cells())
def test_cells_have_the_verdicts_of_the_aligned_variety(drawn):
    check(*drawn)


@settings(max_examples=25, deadline=None)
@given(cells(decays=("coupled", "fixed"), momenta=(Fraction(0), Fraction(1, 2))))
def test_cells_with_unequal_decays_have_the_exact_verdicts(drawn):
    check(*drawn)


@settings(max_examples=40, deadline=None)
@given(cells(procedures=("direct-pred", "direct-copy", "contrastive")))
def test_cells_of_the_other_procedures_have_their_verdicts(drawn):
    check(*drawn)


def test_joint_minimisation_has_collapse_alone_everywhere():
    model = Model(
        procedure="joint", moments=Moments.commuting(signal=[Fraction(1, 2), Fraction(1, 4)])
    )
    diagram = phase_diagram(
        model, parse_axis("lr=0.1:4:12", "--x"), parse_axis("weight-decay=0.01:1:12", "--y")
    )
    assert {region.map.masks for region in diagram.regions} == {(0,), ()}
    flips = [b for b in diagram.boundaries if b.kind == "flip"]
    assert flips
    assert flips[0].how == "certified"
    for point in flips[0].points:  # h (s_1 + eta) = 2
        assert point.x.value * (0.75 + point.y.value) == pytest.approx(2, rel=1e-6)


E7 = {
    "moments": Moments.isotropic(
        signal=[Fraction(7, 10), Fraction(13, 20), Fraction(1, 2)], variance=1
    ),
    "embed_dim": 2,
    "weight_decay": Fraction(1, 10),
}


def test_a_step_size_exactly_on_the_flip_is_a_boundary_cell_and_not_stable():
    setting = Setting(Model(**E7), "lr", "weight-decay")
    step = Fraction(200, 31)  # E7
    for lr, mark, stable in (
        (step, "flip", False),
        (step - Fraction(1, 10**14), "", True),
        (step + Fraction(1, 10**14), "", False),
    ):
        mine, code = stable_names(setting, lr, Fraction(1, 10))
        assert BOUNDARY_KINDS[code] == mark
        assert ("rank2:1+,2+" in mine[1]) == stable
        assert "rank2:1+,2+" in mine[0]


def test_a_weight_decay_exactly_on_a_fold_is_a_boundary_cell():
    setting = Setting(Model(**E7), "lr", "weight-decay")
    fold = Fraction(49, 400)
    names, code = stable_names(setting, Fraction(1, 10), fold)
    assert BOUNDARY_KINDS[code] == "fold"
    assert names[0] == {"rank0"}
    names, code = stable_names(setting, Fraction(1, 10), fold - Fraction(1, 10**18))
    assert code == 0
    assert "rank1:1+" in names[0]


def test_measured_moments_close_to_a_boundary_are_undecided():
    model = Model(**E7, floating=True)
    names, code = stable_names(
        Setting(model, "lr", "weight-decay"), Fraction(1, 10), Fraction(49, 400)
    )
    assert BOUNDARY_KINDS[code] == "undecided"
    assert names[0] == {"rank0"}


def test_stable_sets_that_are_no_chain():
    moments = Moments.commuting(
        signal=[Fraction(1, 20), Fraction(13, 200), Fraction(3, 10)],
        total=[Fraction(1, 18), Fraction(1, 10), 2],
    )
    model = Model(moments=moments, embed_dim=3)
    names, code = stable_names(
        Setting(model, "lr", "weight-decay"), Fraction(1, 10), Fraction(1, 100)
    )
    assert code == 0
    assert names[0] == {
        "rank0", "rank1:1+", "rank1:3+", "rank2:1+,3+", "rank2:1+,2+", "rank3:1+,2+,3+",
    }  # fmt: skip


def test_many_strata_are_counted_when_they_cannot_be_listed():
    # p = 1/(2c) and 2/c with c = 8^-k: disjoint intervals, so every subset is stable (T8.3).
    scales = [Fraction(1, 8) ** k for k in range(9)]
    moments = Moments.commuting(
        signal=[Fraction(5, 2) * c for c in scales], total=[c**2 for c in scales]
    )
    for n, count in ((9, 2**9), (2, 1 + 9 + 36), (4, 1 + 9 + 36 + 84 + 126)):
        model = Model(moments=moments, embed_dim=n, weight_decay=Fraction(1))
        found = evaluate(
            Setting(model, "lr", "predictor-lr"), [Fraction(1, 10**20)], [Fraction(1)], 0, 1
        )
        for strata in found.answers[0]:
            assert strata.count == count
            assert (strata.masks is None) == (count > 64)
            assert strata.top.bit_count() == n
            assert strata.collapse


def test_equal_modes_count_once():
    model = Model(
        moments=Moments.commuting(signal=[1, 1, Fraction(1, 2)], noise=Fraction(1, 4)), embed_dim=2
    )
    check(Setting(model, "lr", "weight-decay"), Fraction(1, 10), Fraction(1, 20))


AXES = (parse_axis("lr=0.1:5:20:log", "--x"), parse_axis("weight-decay=0.02:0.3:15", "--y"))


@pytest.mark.parametrize("backend", ["threading", "loky"])
def test_every_backend_gives_the_same_bytes(backend):
    model = Model(procedure="ema", moments=Moments.commuting(signal=default_signal(3)))
    alone = phase_diagram(model, *AXES)
    seen = []
    together = phase_diagram(
        model,
        *AXES,
        backend=backend,
        jobs=2,
        progress=lambda done, total: seen.append((done, total)),
    )
    assert json.dumps(alone.to_json()) == json.dumps(together.to_json())
    assert seen[-1][0] == seen[-1][1]


def test_a_backend_that_is_not_installed_is_named():
    for name in ("dask", "ray"):
        try:
            __import__("distributed" if name == "dask" else name)
        except ImportError:
            with pytest.raises(EngineMissing, match=f"--backend {name}: the package"):
                spread(abs, [(1,)], backend=name)
    with pytest.raises(FormatError, match="--backend mpi: expected one of loky"):
        spread(abs, [(1,)], backend="mpi")
    with pytest.raises(FormatError, match="--jobs 0"):
        spread(abs, [(1,)], jobs=0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("lr", "expected NAME=LO:HI"),
        ("speed=0:1", "expected one of lr, weight-decay"),
        ("lr=0:1", "must begin above 0"),
        ("lr=2:1", "must ascend"),
        ("ema=0:1", "0 <= MU < 1"),
        ("lr=1:2:1", "1 points"),
        ("lr=1:2:3.5", "must be whole"),
        ("ema=0:0.9:5:log", "a log axis must begin above 0"),
        ("lr=1:2:3:4", "expected NAME=LO:HI"),
        ("noise=-1:1", "must not be negative"),
    ],
)
def test_a_wrong_axis_is_one_line_that_names_it(text, message):
    with pytest.raises(FormatError, match=message):
        parse_axis(text, "--x")


def test_axes_are_exact_and_contain_their_ends():
    axis = parse_axis("weight-decay=1e-3:1/3:9:log", "--x")
    assert axis.values[0] == Fraction(1, 1000)
    assert axis.values[-1] == Fraction(1, 3)
    assert all(value.denominator <= 10**9 for value in axis.values)
    assert make_axis("lr", Fraction(1), Fraction(2), 5).values == (
        1,
        Fraction(5, 4),
        Fraction(3, 2),
        Fraction(7, 4),
        2,
    )


def test_settings_that_make_no_sense_are_refused():
    model = Model(moments=Moments.commuting(signal=[1]))
    with pytest.raises(FormatError, match="two different parameters"):
        Setting(model, "lr", "lr")
    with pytest.raises(FormatError, match="no moving-average target"):
        Setting(model, "lr", "ema")
    with pytest.raises(ScopeError, match="weight decay above 0"):
        Setting(Model(weight_decay=0), "lr", "predictor-lr")
    dense = Moments.dense([[2, 1], [1, 2]], [[1, 0], [0, Fraction(1, 2)]])
    with pytest.raises(ScopeError, match="do not commute"):
        Setting(Model(moments=dense), "lr", "weight-decay")


def test_the_text_says_what_the_arrays_say():
    model = Model(procedure="ema", moments=Moments.commuting(signal=default_signal(2)))
    diagram = phase_diagram(model, *AXES)
    lines = diagram_lines(diagram)
    assert any("only collapse" in line for line in lines)
    assert any("fold" in line and "exact" in line for line in lines)
    assert max(map(len, lines)) <= 100
    data = json.loads(json.dumps(diagram.to_json()))
    assert data["schema"] == "noncollapse/phase/1"
    decoded = [[r for r, length in row for _ in range(length)] for row in data["cells"]]
    assert np.array_equal(np.array(decoded), diagram.cells)
    assert sum(region["cells"] for region in data["regions"]) == diagram.cells.size


def test_momentum_can_keep_the_map_stable_where_the_flow_oscillates():
    model = Model(
        procedure="ema",
        ema=Fraction(99, 100),
        moments=Moments.isotropic(signal=[1, Fraction(1, 2)], variance=1),
        momentum=Fraction(9, 10),
        lr=Fraction(1, 20),
        weight_decay=Fraction(1, 100),
        predictor_lr=Fraction(1, 5),
        predictor_weight_decay=Fraction(1, 500),
    )
    names, _ = stable_names(Setting(model, "lr", "weight-decay", "fixed"), model.h, model.eta)
    assert "rank2:1+,2+" not in names[0]
    assert "rank2:1+,2+" in names[1]
    assert np.abs(multipliers(Case("", model, (0, 1)))).max() < 1 - 1e-5


def test_the_command_reads_its_options_and_writes_its_files(tmp_path):
    answer = COMMAND.asked(x="ema=0:0.95:12", y="lr=0.2:4:10:log", signal="1,1/2")
    files = {"json": str(tmp_path / "phase.json"), "plot": str(tmp_path / "phase.svg")}
    assert finish(answer, files) == 0
    data = json.loads((tmp_path / "phase.json").read_text())
    assert data["procedure"] == "ema"
    assert data["x"]["name"] == "ema"
    assert data["parameters"]["weight_decay"] == "1/20"
    assert (tmp_path / "phase.svg").read_bytes().startswith(b"<?xml")


@pytest.mark.parametrize(
    ("model", "rest", "message"),
    [
        ({"lr": "1"}, {}, "--lr: is an axis"),
        ({"total": "1,2"}, {"y": "noise=0.1:1"}, "--total and a noise axis"),
        ({}, {"jobs": "two"}, "--jobs two"),
        ({}, {"backend": "mpi"}, "--backend mpi"),
        ({"predictor_weight_decay": "1"}, {"decay": "coupled"}, "give one of the two"),
        ({}, {"decay": "none"}, "--decay none: expected equal, coupled, fixed"),
        ({"procedure": "contrastive"}, {"y": "ema=0:0.5"}, "no moving-average target"),
    ],
)
def test_options_that_contradict_each_other_are_named(model, rest, message):
    with pytest.raises(FormatError, match=message):
        COMMAND.asked(**{"x": "lr=0.1:1:4", "y": "weight-decay=0.1:1:4", **model, **rest})
