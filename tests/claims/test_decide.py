"""How a claim comes out: grades, refutations with their point, controls, samples, and time limits."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree

import pytest

from equilibria.claims import Claim, decide, read_claims, run_claims, workers
from equilibria.claims.claim import weakest
from equilibria.claims.kinds.verdicts import gather
from equilibria.claims.text import check_json, exit_code, explanation, junit, markdown
from equilibria.commands.check import chosen
from equilibria.errors import FormatError, LimitReached

ROOT = Path(__file__).resolve().parents[2]


def claim(**changes: object) -> Claim:
    base = {"id": "c", "says": "It learns.", "source": "here", "holds": {"stable": ["rank1:1+"]}}
    return Claim(**{**base, **changes})  # type: ignore[arg-type]


def test_a_refutation_names_the_model_and_what_was_found() -> None:
    outcome = decide(claim(over={"weight-decay": ("1/100", "1/20", "1/4")}))
    assert outcome.verdict == "refuted"
    assert outcome.decisive is not None
    assert outcome.decisive.at == "weight-decay = 1/4"
    assert "no component rank1:1+" in outcome.decisive.found
    assert not outcome.expected
    assert outcome.status == "fails"


def test_a_refutation_can_be_what_is_expected() -> None:
    outcome = decide(claim(model={"weight-decay": "1/4"}, expect="refuted"))
    assert outcome.expected


def test_a_control_that_is_not_turned_over_fails_the_claim() -> None:
    outcome = decide(claim(control={"weight-decay": "1/100"}))
    assert outcome.verdict == "certified"
    assert outcome.control is False
    assert outcome.status == "fails"
    assert "was not turned over" in "\n".join(explanation(outcome))


def test_the_control_of_a_refuted_claim_must_hold() -> None:
    broken = {"model": {"weight-decay": "1/4"}, "expect": "refuted"}
    assert decide(claim(**broken, control={"weight-decay": "1/100"})).expected
    assert not decide(claim(**broken, control={"weight-decay": "1/3"})).expected


def test_a_random_sample_is_never_a_proof() -> None:
    sample = {"models": 10, "seed": 3}
    outcome = decide(claim(holds={"collapse-stable": True}, sample=sample))
    assert outcome.verdict == "numeric"
    refuted = decide(claim(holds={"all-stable": True}, sample=sample))
    assert refuted.verdict == "refuted"
    assert refuted.decisive is not None
    assert "Sigma = diag" in refuted.decisive.at


def test_the_same_sample_is_the_same_everywhere() -> None:
    sample = {"models": 5, "seed": 8, "signal": "signed"}
    first, second = (
        decide(claim(holds={"all-stable": True}, sample=sample)).decisive for _ in range(2)
    )
    assert first == second


def test_what_cannot_be_decided_is_undecided_and_exits_3() -> None:
    fold = claim(model={"weight-decay": "1/5"}, holds={"stable-exactly": ["rank0"]})
    outcome = decide(fold)  # m^2 = 4 eta s: the two roots of mode 1 meet
    assert outcome.verdict == "undecided"
    assert exit_code([outcome]) == 3
    assert exit_code([outcome, decide(claim(model={"weight-decay": "1/4"}))]) == 1


def test_an_empirical_claim_is_not_run_and_never_passed() -> None:
    outcome = decide(claim(holds={"experiment": "anything"}))
    assert outcome.verdict == "not run"
    assert not outcome.expected
    assert exit_code([outcome]) == 3
    assert exit_code([outcome, decide(claim())]) == 0


def test_workers_keep_the_order_and_the_time_limit(tmp_path: Path) -> None:
    path = tmp_path / "claims.toml"
    slow = '{init = "kaiming", runs = 1000000, collapse-at-most = "1/2"}'
    path.write_text(
        "".join(
            f'[[claim]]\nid = "{name}"\nsays = "x."\nmodel = {{weight-decay = "1/1000"}}\n{holds}\n'
            for name, holds in (
                ("slow", f"holds.from-init = {slow}"),
                ("quick", "holds.collapse-stable = true"),
                ("wrong", "holds.collapse-stable = false"),
            )
        ),
        encoding="utf-8",
    )
    outcomes = run_claims(read_claims([path]), jobs=2, time_limit=2)
    assert [outcome.claim.id for outcome in outcomes] == ["slow", "quick", "wrong"]
    assert [outcome.verdict for outcome in outcomes] == ["undecided", "proved", "refuted"]
    assert "stopped after 2 s" in outcomes[0].findings[0].found


@pytest.mark.skipif(sys.platform != "linux", reason="reads the clock of another process")
def test_the_limit_counts_the_processor_time_of_the_worker() -> None:
    idle, busy = (
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
        for code in (
            "print(flush=True); import time; time.sleep(60)",
            "print(flush=True)\nwhile True: pass",
        )
    )
    try:
        for process in (idle, busy):
            process.stdout.readline()
        start = workers._processor_seconds(busy.pid)
        while workers._processor_seconds(busy.pid) < start + 0.2:
            time.sleep(0.01)
        assert workers._processor_seconds(idle.pid) < 1
        for process, over in ((idle, False), (busy, True)):
            worker = workers._Worker(process, None, index=0, limit=0.1 - workers.GRACE)
            worker.worked = start if process is busy else workers._processor_seconds(idle.pid)
            assert workers._is_over(worker, spent=0.5 * workers.WALL_FACTOR * 0.1) == over
            assert workers._is_over(worker, spent=2 * workers.WALL_FACTOR * 0.1)
    finally:
        for process in (idle, busy):
            process.kill()
            process.wait()
            process.stdout.close()
    assert workers._processor_seconds(busy.pid) is None


def test_a_claim_that_makes_no_sense_stops_everything(tmp_path: Path) -> None:
    path = tmp_path / "claims.toml"
    path.write_text('[[claim]]\nid = "a"\nsays = "x."\nholds.fate = {point = 1}', encoding="utf-8")
    with pytest.raises(FormatError, match="claim a"):
        run_claims(read_claims([path]))


def test_junit_tells_failures_errors_and_skips_apart() -> None:
    outcomes = [
        decide(claim(id="good")),
        decide(claim(id="bad", model={"weight-decay": "1/4"})),
        decide(claim(id="open", model={"weight-decay": "1/5"}, holds={"only-collapse": True})),
        decide(claim(id="later", holds={"experiment": "x"})),
    ]
    suite = ElementTree.fromstring(junit(outcomes).split("\n", 1)[1])[0]
    assert {key: suite.get(key) for key in ("tests", "failures", "errors", "skipped")} == {
        "tests": "4",
        "failures": "1",
        "errors": "1",
        "skipped": "1",
    }
    tags = [[node.tag for node in case] for case in suite]
    assert [row[-1] for row in tags] == ["properties", "failure", "error", "skipped"]
    text = markdown(outcomes, "title")
    assert "| **✗** | `bad` |" in text
    assert "| ? | `open` |" in text
    data = check_json(outcomes)
    assert [row["status"] for row in data["claims"]] == [
        "as expected",
        "fails",
        "undecided",
        "not run",
    ]


def run_cli(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "cli.py", "check", *words], capture_output=True, text=True, cwd=ROOT
    )


def test_check_on_the_command_line(tmp_path: Path) -> None:
    done = run_cli("examples/claims.toml", "--only", "my-rates", "--junit", str(tmp_path / "j.xml"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 of 1 as expected" in done.stdout
    assert ElementTree.parse(tmp_path / "j.xml").getroot()[0].get("failures") == "0"
    failing = tmp_path / "mine.toml"
    failing.write_text(
        '[[claim]]\nid = "mine"\nsays = "It learns."\nmodel.weight-decay = "1/2"\n'
        'holds.stable = ["rank1:1+"]',
        encoding="utf-8",
    )
    done = run_cli(str(failing))
    assert done.returncode == 1
    assert "FAILS" in done.stdout
    assert "needed    rank1:1+ is stable" in done.stdout
    done = run_cli(str(tmp_path / "none.toml"), "--json", str(tmp_path / "never.json"))
    assert done.returncode == 2
    assert not (tmp_path / "never.json").exists()
    assert run_cli("--only", "no-such").returncode == 2
    assert run_cli("--list").returncode == 0


SCHEMA = 'schema = "noncollapse/claims/1"\n'
THREE = (
    '[[claim]]\nid = "good"\nsays = "x."\nholds.collapse-stable = true\n'
    '[[claim]]\nid = "bad"\nsays = "x."\nholds.collapse-stable = false\n'
    '[[claim]]\nid = "later"\nsays = "x."\nholds.experiment = "linear"\n'
)


def run_pytest(folder: Path, *words: str) -> str:
    """Run pytest with the plugin in a folder and return what it prints."""
    # The plugin may be installed as an entry point or not; either way it is loaded once.
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "equilibria.claims.plugin",
        "-q",
        "-rA",
        *words,
    ]
    done = subprocess.run(
        [*command, "--rootdir", str(folder), str(folder)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={
            "PATH": "/usr/bin:/bin",
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            "PYTHONPATH": str(ROOT),
        },
    )
    return done.stdout + done.stderr


def test_pytest_collects_claims_files_that_ask_for_it(tmp_path: Path) -> None:
    (tmp_path / "claims.toml").write_text(SCHEMA + THREE, encoding="utf-8")
    printed = run_pytest(tmp_path)
    assert "1 failed, 1 passed, 1 skipped" in printed
    assert "claims.toml::good" in printed


@pytest.mark.parametrize(
    ("project", "collected"),
    [
        ("[tool.noncollapse]\nclaims = true\n", True),
        ("[tool.noncollapse]\nclaims = false\n", False),
        ("[tool.noncollapse]\nclaims = 'no'\n", False),
        ("[tool.other]\n", False),
        ("not toml = [", False),
        (None, False),
    ],
)
def test_a_project_may_ask_for_all_its_claims_files(
    tmp_path: Path, project: str | None, collected: bool
) -> None:
    (tmp_path / "my.claims.toml").write_text(THREE, encoding="utf-8")
    if project is not None:
        (tmp_path / "pyproject.toml").write_text(project, encoding="utf-8")
    assert ("my.claims.toml::good" in run_pytest(tmp_path, "--collect-only")) is collected


FOREIGN = {
    "insurance": "[[policy]]\nnumber = 7\n",
    "no TOML": "claims: [a, b",
    "bytes": "\udcff\udcfe",
    "schema in a table": "[other]\n" + SCHEMA,
    "another schema": 'schema = "noncollapse/claims/10"\n',
    "a comment": "# " + SCHEMA,
}


@pytest.mark.parametrize("text", FOREIGN.values(), ids=FOREIGN)
def test_pytest_leaves_the_claims_of_others_alone(
    tmp_path: Path, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from equilibria.claims import plugin

    path = tmp_path / "claims.toml"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    assert plugin._has_schema(path) is False


@pytest.mark.parametrize("name", ["other.toml", "myclaims.toml", "claims.toml.txt", "claims.py"])
def test_files_of_other_names_are_not_even_opened(name: str, tmp_path: Path) -> None:
    from equilibria.claims import plugin

    (tmp_path / name).write_text(SCHEMA + THREE, encoding="utf-8")
    nobody: Any = None  # whom to ask what the project wishes
    assert plugin.pytest_collect_file(nobody, tmp_path / name) is None


def test_a_foreign_claims_file_does_not_stop_a_session(tmp_path: Path) -> None:
    (tmp_path / "claims.toml").write_text(FOREIGN["insurance"], encoding="utf-8")
    (tmp_path / "test_mine.py").write_text("def test_mine():\n    assert True\n", encoding="utf-8")
    assert "1 passed" in run_pytest(tmp_path)


def test_a_bad_file_that_asks_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "claims.toml").write_text(SCHEMA + "[[claim]]\nid = 3\n", encoding="utf-8")
    printed = run_pytest(tmp_path)
    assert "expected letters" in printed
    assert "Traceback" not in printed
    assert "reader.py" not in printed


def test_the_plugin_imports_nothing_of_the_analysis() -> None:
    code = (
        "import sys, equilibria.claims.plugin;"
        "print(sorted(m for m in sys.modules if m.startswith(('equilibria', 'numpy', 'sympy'))))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True
    )
    expected = ["equilibria", "equilibria.claims", "equilibria.claims.plugin", "equilibria.version"]
    assert done.stdout.strip() == str(expected)


def test_the_example_asks_for_pytest() -> None:
    from equilibria.claims import plugin

    assert plugin._has_schema(ROOT / "examples" / "claims.toml")


@pytest.mark.parametrize(
    ("holds", "runs", "status"),
    [(None, 4, "as expected"), (None, 0, "undecided"), (True, 4, "fails"), (False, 4, "fails")],
)
def test_seeds_may_be_expected_to_leave_a_statement_open(
    holds: bool | None, runs: int, status: str
) -> None:
    result = SimpleNamespace(
        holds=holds, runs=runs, measured="measured", predicted="predicted", sha256="0" * 64
    )
    open_claim = claim(holds={"experiment": "x"}, expect="undecided")
    outcome = decide(open_claim, experiments={"x": lambda: result})
    assert outcome.status == status
    assert decide(open_claim).status == "not run"


def test_an_experiment_that_is_stopped_is_not_what_was_expected() -> None:
    def stopped() -> None:
        raise LimitReached("out of time")

    open_claim = claim(holds={"experiment": "x"}, expect="undecided")
    assert decide(open_claim, experiments={"x": stopped}).status == "undecided"


def test_only_training_experiments_may_be_left_open(tmp_path: Path) -> None:
    path = tmp_path / "claims.toml"
    text = '[[claim]]\nid = "a"\nsays = "x."\nexpect = "undecided"\nholds.collapse-stable = true\n'
    path.write_text(text)
    with pytest.raises(FormatError, match="'undecided' is for training experiments"):
        read_claims([path])


def test_several_patterns_choose_all_that_match_one_of_them() -> None:
    named = [claim(id=name) for name in ("run-a", "run-b", "proved-c")]
    assert [c.id for c in chosen(named, ["c", "run-a"])] == ["run-a", "proved-c"]
    assert len(chosen(named, [])) == 3
    with pytest.raises(FormatError, match=r"--only x\*: no claim of that name"):
        chosen(named, ["run-*", "x*"])


def test_nothing_to_look_at_is_open_and_proves_nothing() -> None:
    assert gather([]).answer is None
    with pytest.raises(ValueError, match="empty"):
        weakest([])


def verdict_at(model: dict[str, str], **holds: object) -> str:
    return decide(
        claim(model=model, holds={k.replace("_", "-"): v for k, v in holds.items()})
    ).verdict


def test_only_collapse_is_not_false_because_nothing_is_stable() -> None:
    """At this step size the map has no stable component at all, not even collapse."""
    model = {"lr": "50", "embed-dim": "1", "signal": "1"}
    assert verdict_at(model, stable_exactly=[]) == "refuted"  # the flow has stable ones
    assert verdict_at(model, only_collapse=False) == "refuted"
    assert verdict_at(model, only_collapse=True) == "refuted"
    assert verdict_at({"weight-decay": "1/100"}, only_collapse=False) == "certified"


def test_all_stable_can_be_denied() -> None:
    assert verdict_at({}, all_stable=True) == "refuted"
    assert verdict_at({}, all_stable=False) == "certified"


def test_a_cycle_that_was_not_met_is_not_excluded() -> None:
    model = {"embed-dim": "1", "signal": "1"}
    for wanted in (True, False):
        assert verdict_at(model, cycle={"exists": wanted}) == "undecided"


def test_an_overlay_of_no_runs_shows_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    text = '{"schema": "noncollapse/overlay/1", "agreement": 1.0, "runs": []}'
    (folder / "overlay.json").write_text(text)
    holds = {"run": {"folder": "run"}}
    outcome = decide(claim(holds=holds, path=tmp_path / "claims.toml"))
    assert outcome.verdict == "undecided"
