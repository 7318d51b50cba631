"""The front door: words in, functions called, results printed, exit code out.

Heavy imports happen inside the handlers, so that `--help` answers at once. Exit codes: 0 done, 1 a
claim or certificate fails, 2 bad input or usage, or standard output cannot be written, 3 could not
decide within the limits, 4 a bug in this program, 130 interrupted, 141 nobody reads standard output.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from typing import Any, NoReturn

from equilibria.files import terminal

# The matrices here are small: BLAS threads would cost more than they save. Set the variable to
# override.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

PROGRAM = "cli.py" if os.path.basename(sys.argv[0]) == "cli.py" else "noncollapse"

OUTPUTS = ("json", "latex", "plot", "certificate", "graphml", "junit", "markdown", "pairs")
"""Options that name a file to write, in every command that has them."""

DONE, FAILED, BAD_INPUT, UNDECIDED, BUG, INTERRUPTED = 0, 1, 2, 3, 4, 130

EQUILIBRIA_EXAMPLES = f"""examples:
  {PROGRAM} equilibria --ema 0.99                           BYOL's target, everything else default
  {PROGRAM} equilibria --procedure joint                    both branches trained: does it collapse?
  {PROGRAM} equilibria --ema 0.99 --weight-decay 0          whole families of equilibria
  {PROGRAM} equilibria --ema 0.99 --signal 1,1/2,-1/4 --noise 1/2 --embed-dim 3
  {PROGRAM} equilibria --ema 0.99 --moments cifar.npz       moments measured with `moments`
  {PROGRAM} equilibria --procedure my_system.toml           your own polynomial system
  {PROGRAM} equilibria --ema 0.99 --json - | jq .verdict    for a script
"""

MOMENTS_EXAMPLES = f"""examples:
  {PROGRAM} moments --images data.npz:x_train --size 8 --gray \\
      --augment shift=2,flip,noise=0.1,brightness=0.2 --views 16 --out m.npz
  {PROGRAM} moments --images photos.npy --size 16 --components 32 --augment crop=0.5,flip --out m.npz
"""


PHASE_EXAMPLES = f"""examples:
  {PROGRAM} phase --ema 0.99 --x weight-decay=0.001:0.3 --y lr=0.05:20:60:log --plot phase.png
  {PROGRAM} phase --x noise=0:2 --y weight-decay=0.001:0.3 --signal 1,3/4,1/2 --embed-dim 3
  {PROGRAM} phase --ema 0.99 --surface                      largest lr over ema, momentum, predictor-lr
"""

BASIN_EXAMPLES = f"""examples:
  {PROGRAM} basin --mode 1 --plot basin.png                 where a mode is learned, where it collapses
  {PROGRAM} basin --point 0.1,0.2                           does this start (p, w) collapse?
  {PROGRAM} basin --init kaiming --scale 1/2 --embed-dim 4  where do random starts end?
"""

GRAPH_EXAMPLES = f"""examples:
  {PROGRAM} graph --plot graph.png                          saddles, attractors, and what leads where
  {PROGRAM} graph --order --signal 1,3/4,1/2 --embed-dim 3 --weight-decay 1/100
"""


CYCLES_EXAMPLES = f"""examples:
  {PROGRAM} cycles --moments m.npz --weight-decay 1/16       unstable foci and limit cycles
  {PROGRAM} cycles --moments m.npz --weight-decay 1/1000 --embed-dim 3 --along beta=1:100
  {PROGRAM} cycles --moments m.npz --search                 moments nearby that oscillate
"""


CHECK_EXAMPLES = f"""examples:
  {PROGRAM} check                                           the built-in ledger
  {PROGRAM} check my_claims.toml --junit claims.xml         your own, in your CI
  {PROGRAM} check --list                                    what the ledger says
  {PROGRAM} check --only tian-*                             some of it
"""

SIMULATE_EXAMPLES = f"""examples:
  {PROGRAM} simulate --ema 0.99 --runs 1000 --out runs/ema   where do 1000 random starts end?
  {PROGRAM} simulate --batch-size 128 --lr 0.02 --steps 20000
  {PROGRAM} simulate --resume runs/ema                      go on after a crash
"""

TRAIN_EXAMPLES = f"""examples:
  {PROGRAM} train                                           SimSiam on digits, half a minute on a CPU
  {PROGRAM} train --no-stop-gradient                        the same without it: collapse
  {PROGRAM} train --method byol --ema 0.99 --dataset images.npz --backbone resnet8
  {PROGRAM} train --resume runs/mine
"""

OVERLAY_EXAMPLES = f"""examples:
  {PROGRAM} overlay runs/ema                                the run against the predicted stable set
  {PROGRAM} overlay runs/*                                  many at once
"""

VERIFY_EXAMPLES = f"""examples:
  {PROGRAM} equilibria --ema 0.99 --certificate ema.json    evidence for every verdict
  {PROGRAM} verify ema.json                                 checked by code that shares nothing with it
  {PROGRAM} verify ema.json --ema 0.99                      and is it of this model?
  {PROGRAM} verify ema.json --report r.json                 does it say what the report says?
"""


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line, and which notices that its help is lost."""

    def _print_message(self, message: str, file: Any = None) -> None:
        if file is sys.stdout:
            file.write(message)
        else:
            terminal.complain(message.rstrip("\n"))

    def error(self, message: str) -> NoReturn:
        line = terminal.one_line(f"error: {message}")
        self.exit(BAD_INPUT, f"{line}\n\nhint: see `{self.prog} --help`\n")


def build_parser() -> Parser:
    """Return the parser of all commands."""
    parser = Parser(
        prog=PROGRAM,
        description="Equilibria and stability of non-contrastive self-supervised learning.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="store_true", help="print the version and exit")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", parser_class=Parser)
    _add_equilibria(commands)
    _add_moments(commands)
    _add_phase(commands)
    _add_basin(commands)
    _add_graph(commands)
    _add_cycles(commands)
    _add_simulate(commands)
    _add_train(commands)
    _add_overlay(commands)
    _add_check(commands)
    _add_verify(commands)
    return parser


def _command(commands: Any, name: str, summary: str, epilog: str) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = commands.add_parser(
        name,
        help=summary,
        description=summary,
        epilog=epilog,
        allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("--debug", action="store_true", help="show the full trace of an error")
    return command


def _add_equilibria(commands: Any) -> None:
    command = _command(
        commands,
        "equilibria",
        "Find every equilibrium of a self-supervised learning procedure, and which are stable.",
        EQUILIBRIA_EXAMPLES,
    )
    add_model_options(command)
    files = command.add_argument_group("system files")
    files.add_argument(
        "--set", metavar="NAME=VALUE", action="append", help="replace a parameter of the file"
    )
    files.add_argument(
        "--time-limit", metavar="S", default="60", help="work for the algebra, in seconds (60)"
    )
    output = command.add_argument_group("output")
    output.add_argument("--max-components", metavar="N", default="64", help="list at most N (64)")
    output.add_argument("--equations", action="store_true", help="print every polynomial")
    output.add_argument("--json", metavar="F", help="write JSON; `-` writes it to stdout alone")
    output.add_argument("--latex", metavar="F", help="write a LaTeX fragment")
    output.add_argument("--plot", metavar="F", help="write a figure, .png or .svg")
    output.add_argument(
        "--certificate", metavar="F", help="write evidence that `verify` re-checks (JSON)"
    )
    output.add_argument("--cite", action="store_true", help="print BibTeX of what was used")
    output.add_argument("--ascii", action="store_true", help="write eta instead of its letter")


def add_model_options(
    command: argparse.ArgumentParser,
    title: str = "model (numbers may be 0.99, 99/100 or 1e-3; all are exact)",
) -> None:
    """Add the shared model options of the interface contract."""
    model = command.add_argument_group(title)
    model.add_argument(
        "--procedure",
        metavar="NAME",
        help="joint, stop-gradient, ema, direct-pred, direct-copy, contrastive, or a system file "
        "(default: ema when --ema is given, else stop-gradient)",
    )
    for name, letter, text in (
        ("--ema", "MU", "EMA momentum of the target, 0 <= MU < 1 (0.99)"),
        ("--lr", "H", "step size (1/10)"),
        ("--weight-decay", "ETA", "weight decay (1/20)"),
        ("--predictor-lr", "ALPHA", "predictor learning rate over the encoder's (1)"),
        ("--predictor-weight-decay", "ETA_P", "decay of the predictor (the weight decay)"),
        ("--momentum", "NU", "heavy ball, as SGD's momentum (0)"),
        ("--embed-dim", "N", "rows of the encoder, n (2)"),
        ("--input-dim", "D", "data dimension, d (2, or what the moments say)"),
        ("--signal", "M1,M2,...", "eigenvalues of M, one a mode (1,3/4,9/16,...)"),
        ("--total", "S1,S2,...", "eigenvalues of Sigma"),
        ("--noise", "V", "Sigma = M + V I (1/4)"),
        ("--isotropic", "S", "Sigma = S I"),
        ("--moments", "FILE.npz", "arrays Sigma and M, commuting or not"),
    ):
        model.add_argument(name, metavar=letter, help=text)
    model.add_argument("--float", action="store_true", help="decide signs in floating point")


def _add_moments(commands: Any) -> None:
    command = _command(
        commands,
        "moments",
        "Measure Sigma and M of a data set under an augmentation, with standard errors.",
        MOMENTS_EXAMPLES,
    )
    command.add_argument(
        "--images", metavar="FILE[:KEY]", required=True, help=".npz (with a key) or .npy of images"
    )
    command.add_argument("--out", metavar="F.npz", required=True, help="where to write the moments")
    for name, letter, text in (
        ("--pairs", "F.npz", "also write two views of every image, for `simulate --data`"),
        ("--size", "PIXELS", "resize to PIXELS x PIXELS first"),
        ("--components", "K", "project onto the leading K principal components"),
        ("--views", "V", "augmented views of an image (16)"),
        ("--seed", "SEED", "seed of the augmentations (0)"),
        ("--augment", "SPEC", "such as shift=2,flip,noise=0.1,brightness=0.2 (none)"),
        ("--normalize", "HOW", "largest, mean or none: the unit of variance (largest)"),
    ):
        command.add_argument(name, metavar=letter, help=text)
    command.add_argument("--gray", action="store_true", help="convert to grey levels")
    command.add_argument("--no-center", action="store_true", help="keep the mean image")


def _add_outputs(command: argparse.ArgumentParser) -> None:
    output = command.add_argument_group("output")
    output.add_argument("--json", metavar="F", help="write JSON; `-` writes it to stdout alone")
    output.add_argument("--plot", metavar="F", help="write a figure, .png or .svg")
    output.add_argument("--ascii", action="store_true", help="write eta instead of its letter")


def _add_phase(commands: Any) -> None:
    command = _command(
        commands,
        "phase",
        "Draw where which strata are stable over two parameters, with the exact boundaries.",
        PHASE_EXAMPLES,
    )
    add_model_options(command)
    grid = command.add_argument_group(
        "grid: NAME=LO:HI[:COUNT][:log], NAME one of lr, weight-decay, ema, predictor-lr, noise"
    )
    grid.add_argument("--x", metavar="AXIS", help="across (weight-decay=0.002:0.3)")
    grid.add_argument("--y", metavar="AXIS", help="up (lr=0.05:20:60:log)")
    grid.add_argument(
        "--decay",
        metavar="HOW",
        help="decay of the predictor: equal, coupled (times predictor-lr) or fixed (equal, or "
        "fixed with --predictor-weight-decay)",
    )
    grid.add_argument("--surface", action="store_true", help="largest lr over ema, momentum, alpha")
    grid.add_argument(
        "--backend", metavar="NAME", help="joblib backend: loky, threading, dask, ray"
    )
    grid.add_argument("--jobs", metavar="N", help="workers (all cores for large grids)")
    _add_outputs(command)


def _add_basin(commands: Any) -> None:
    command = _command(
        commands,
        "basin",
        "Find the boundary between collapse and learning, and where starts end.",
        BASIN_EXAMPLES,
    )
    add_model_options(command)
    question = command.add_argument_group("question")
    for name, letter, text in (
        ("--mode", "J", "the boundary in this mode's (p, w[, t]) space (1)"),
        ("--point", "P,W[,T]", "the fate of one start of the mode"),
        ("--init", "NAME", "random starts of all modes: kaiming, normal or orthogonal"),
        ("--scale", "S", "factor of the initial W and P (1)"),
        ("--runs", "N", "random starts (1000)"),
        ("--seed", "SEED", "seed of the starts (0)"),
        ("--tolerance", "TOL", "of boundaries and integration"),
    ):
        question.add_argument(name, metavar=letter, help=text)
    question.add_argument("--map", action="store_true", help="the update map instead of the flow")
    _add_outputs(command)


def _add_graph(commands: Any) -> None:
    command = _command(
        commands,
        "graph",
        "Connect the strata: which saddle leads to which attractor.",
        GRAPH_EXAMPLES,
    )
    add_model_options(command)
    question = command.add_argument_group("question")
    question.add_argument("--max-components", metavar="N", default="64", help="nodes at most (64)")
    question.add_argument("--every", action="store_true", help="print every edge")
    question.add_argument(
        "--order", action="store_true", help="the saddles that small starts visit"
    )
    for name, letter, text in (
        ("--init", "NAME", "of --order: balanced, kaiming, normal or orthogonal (balanced)"),
        ("--start", "S", "of --order: factor of the initial values (chosen)"),
        ("--runs", "N", "of --order: starts (8)"),
        ("--seed", "SEED", "of directions and starts (0)"),
    ):
        question.add_argument(name, metavar=letter, help=text)
    _add_outputs(command)
    command.add_argument("--graphml", metavar="F", help="write the graph as GraphML")


def _add_cycles(commands: Any) -> None:
    command = _command(
        commands,
        "cycles",
        "Find attractors that are not equilibria: Hopf points and limit cycles.",
        CYCLES_EXAMPLES,
    )
    add_model_options(command)
    question = command.add_argument_group("question")
    question.add_argument("--search", action="store_true", help="look for oscillation nearby")
    for name, letter, text in (
        ("--along", "NAME=LO:HI", "Hopf points along beta, eta (weight-decay), lr or ema"),
        ("--radius", "R", "of --search, relative (1)"),
        ("--seed", "SEED", "of starts and search (0)"),
    ):
        question.add_argument(name, metavar=letter, help=text)
    question.add_argument("--time-limit", metavar="S", default="60", help="seconds a branch (60)")
    _add_outputs(command)


def _add_simulate(commands: Any) -> None:
    command = _command(
        commands,
        "simulate",
        "Train many linear models at once and say which component each one reaches.",
        SIMULATE_EXAMPLES,
    )
    add_model_options(command)
    runs = command.add_argument_group("runs")
    for name, letter, text in (
        ("--runs", "N", "how many (256)"),
        ("--steps", "K", "at most (until settled; 10000 with mini-batches)"),
        ("--init", "NAME", "kaiming, normal, orthogonal or a file with W and P (kaiming)"),
        ("--scale", "S", "factor of the initial W and P (1)"),
        ("--batch-size", "B", "pairs a step; 0 is full batch, on the moments (0)"),
        ("--data", "F.npz", "views x and y (N, d) for mini-batches, instead of Gaussian ones"),
        ("--seed", "SEED", "of starts and batches (0)"),
        ("--device", "NAME", "auto, cpu or cuda (auto)"),
        ("--dtype", "NAME", "float64 or float32 (float64)"),
        ("--log-every", "K", "steps between snapshots (spaced like a logarithm)"),
        ("--out", "DIR", "run folder (runs/<timestamp>-<name>)"),
        ("--name", "NAME", "of the run folder (the procedure)"),
        ("--resume", "RUN", "go on with a run that was interrupted"),
    ):
        runs.add_argument(name, metavar=letter, help=text)
    command.add_argument("--json", metavar="F", help="write JSON; `-` writes it to stdout alone")


def _add_train(commands: Any) -> None:
    command = _command(
        commands,
        "train",
        "Train a network by any of the procedures, and watch whether it collapses.",
        TRAIN_EXAMPLES,
    )
    from empirical.commands.train_options import OPTIONS

    groups: dict[str, Any] = {}
    for option in OPTIONS:
        if option.group not in groups:
            groups[option.group] = command.add_argument_group(option.group)
        text = f"{option.help} ({option.default})" if option.default else option.help
        if option.kind == "flag":
            groups[option.group].add_argument(
                option.name, action=argparse.BooleanOptionalAction, help=text
            )
        else:
            groups[option.group].add_argument(option.name, metavar=option.metavar, help=text)
    command.add_argument("--json", metavar="F", help="write JSON; `-` writes it to stdout alone")


def _add_overlay(commands: Any) -> None:
    command = _command(
        commands,
        "overlay",
        "Lay runs over the predicted stable set: distance, stratum reached, contraction.",
        OVERLAY_EXAMPLES,
    )
    command.add_argument("runs", metavar="RUN", nargs="+", help="run folders")
    command.add_argument("--max-runs", metavar="N", help="runs judged in a folder, at most (256)")
    command.add_argument("--no-html", action="store_true", help="write no HTML page")
    command.add_argument("--json", metavar="F", help="write all of them; `-` for stdout alone")


def _add_check(commands: Any) -> None:
    command = _command(
        commands,
        "check",
        "Decide executable claims: the built-in ledger, or files of your own.",
        CHECK_EXAMPLES,
    )
    command.add_argument("files", metavar="FILE", nargs="*", help="claims files (TOML)")
    command.add_argument("--list", action="store_true", help="show the claims, decide nothing")
    command.add_argument(
        "--only", metavar="PATTERN", action="append", default=[], help="claims whose id matches"
    )
    command.add_argument(
        "--time-limit", metavar="S", default="60", help="processor seconds a claim (60)"
    )
    command.add_argument("--jobs", metavar="N", help="claims at a time (all cores)")
    command.add_argument("--empirical", action="store_true", help="run training experiments too")
    output = command.add_argument_group("output")
    output.add_argument("--json", metavar="F", help="write JSON; `-` writes it to stdout alone")
    output.add_argument("--junit", metavar="F", help="write JUnit XML")
    output.add_argument("--markdown", metavar="F", help="write a Markdown summary")


def _add_verify(commands: Any) -> None:
    command = _command(
        commands,
        "verify",
        "Re-check a certificate with code that shares nothing with what made it.",
        VERIFY_EXAMPLES,
    )
    command.add_argument("file", metavar="FILE", help="a certificate (JSON)")
    command.add_argument(
        "--report", metavar="F.json", help="compare with a report that `equilibria --json` wrote"
    )
    add_model_options(
        command,
        title="compare with the model of these options (all others at their defaults)",
    )


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code."""
    if not terminal.prepare():
        terminal.complain("error: standard output is closed; send it to a file, or to /dev/null")
        return BAD_INPUT
    try:
        code = _answer(list(sys.argv[1:] if arguments is None else arguments))
        sys.stdout.flush()
    except OSError as error:
        return terminal.give_up_output(error)
    return code


def _answer(words: list[str]) -> int:
    """Read the words, run the command they name, and return its exit code."""
    parser = build_parser()
    try:
        for word in words:
            if re.fullmatch(r"--[a-z-]+=--", word):  # argparse would read an empty list
                parser.error(f"argument {word[:-3]}: expected a value, not --")
        options = parser.parse_args(_joined_negatives(words))
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else DONE
    if options.version:
        from equilibria.version import VERSION

        print(f"noncollapse {VERSION}")
        return DONE
    if options.command is None:
        parser.print_help()
        return BAD_INPUT
    return _guarded(options)


def _joined_negatives(words: list[str]) -> list[str]:
    """Write `--signal -1,2` as `--signal=-1,2`, which argparse takes for a value."""
    joined: list[str] = []
    for word in words:
        previous = joined[-1] if joined else ""
        negative = re.match(r"-[\d.]", word) is not None
        if negative and re.fullmatch(r"--[a-z-]+", previous):
            joined[-1] = f"{previous}={word}"
        else:
            joined.append(word)
    return joined


def _guarded(options: argparse.Namespace) -> int:
    """Run a handler and turn whatever goes wrong into one message and an exit code."""
    from equilibria.errors import AnalysisError, LimitReached, NotFinished

    try:
        _check_outputs(options)
        return HANDLERS[options.command](options)
    except AnalysisError as error:
        if options.debug:
            raise
        terminal.complain(terminal.one_line(f"error: {error}"))
        if error.hint:
            terminal.complain(f"\nhint: {terminal.one_line(error.hint)}")
        return UNDECIDED if isinstance(error, LimitReached | NotFinished) else BAD_INPUT
    except KeyboardInterrupt:
        terminal.complain("interrupted")
        return INTERRUPTED
    except MemoryError:
        if options.debug:
            raise
        return _out_of_memory()
    except Exception as error:
        if options.debug or terminal.output_is_lost(error):
            raise
        if isinstance(error, RuntimeError) and "allocate memory" in str(error):  # torch
            return _out_of_memory()
        reason = (str(error).splitlines() or [""])[0]
        terminal.complain(terminal.one_line(f"bug: {type(error).__name__}: {reason}"))
        terminal.complain("\nhint: run again with --debug for the trace, and report it")
        return BUG


def _out_of_memory() -> int:
    terminal.complain("error: out of memory; ask for less at once, or for smaller sizes")
    return UNDECIDED


def _check_outputs(options: argparse.Namespace) -> None:
    """Refuse what could not be written, before anything is computed; `--json -` is standard output."""
    from equilibria.errors import FormatError
    from equilibria.files.write import check_name, check_place

    if getattr(options, "out", None) is not None:
        check_name(options.out, "--out")
    taken: dict[str, str] = {}
    for name in OUTPUTS:
        path = getattr(options, name, None)
        if path is None or (name, path) == ("json", "-"):
            continue
        check_place(path, f"--{name}")
        place = os.path.realpath(path)
        if place in taken:
            raise FormatError(f"--{name} {path}: {taken[place]} writes there too; give two names")
        taken[place] = f"--{name}"


def equilibria_command(options: argparse.Namespace) -> int:
    """Handle `equilibria`."""
    from equilibria.exact.rationals import whole
    from equilibria.front import analyze_options

    report = analyze_options(
        model_options(options),
        max_components=whole(options.max_components, "--max-components", 1),
        time_limit=whole(options.time_limit, "--time-limit", 1),
        overrides=options.set,
    )
    return _emit(report, options)


def model_options(options: argparse.Namespace) -> Any:
    """Return the shared model options as the library's `ModelOptions`."""
    from equilibria.systems.model_options import ModelOptions

    names = ModelOptions.__dataclass_fields__
    values = {name: getattr(options, name) for name in names if hasattr(options, name)}
    return ModelOptions(**{**values, "floating": options.float})


def _emit(report: Any, options: argparse.Namespace) -> int:
    """Write what was asked for, the files first, then the table."""
    from equilibria.front import print_citations, write_outputs

    write_outputs(
        report,
        json_path=options.json,
        latex=options.latex,
        plot=options.plot,
        certificate=options.certificate,
    )
    if options.json == "-":
        from equilibria.front import json_text

        terminal.write_json(json_text(report))
    else:
        from equilibria.front import print_any

        width = None if sys.stdout.isatty() else 100
        ascii_only = options.ascii or terminal.needs_ascii()
        print_any(report, width=width, ascii_only=ascii_only, equations=options.equations)
        if options.cite:
            print_citations(report)
        terminal.complain(f"{report.seconds:.1f} s")
    return UNDECIDED if report.summary.undecided else DONE


def moments_command(options: argparse.Namespace) -> int:
    """Handle `moments`."""
    from equilibria.front import measure_moments

    measure_moments(
        images=options.images,
        out=options.out,
        size=options.size,
        gray=options.gray,
        augment=options.augment,
        views=options.views,
        components=options.components,
        center=not options.no_center,
        normalize=options.normalize,
        seed=options.seed,
        pairs=options.pairs,
    )
    return DONE


def phase_command(options: argparse.Namespace) -> int:
    """Handle `phase`."""
    from equilibria.files.progress import progress_bar
    from equilibria.questions import phase

    answer = phase(
        model_options(options),
        x=options.x,
        y=options.y,
        decay=options.decay,
        surface=options.surface,
        backend=options.backend,
        jobs=options.jobs,
        outputs=_outputs(options),
        progress=progress_bar(),
    )
    return _print_answer(answer, options)


def basin_command(options: argparse.Namespace) -> int:
    """Handle `basin`."""
    from equilibria.files.progress import progress_bar
    from equilibria.questions import basin

    answer = basin(
        model_options(options),
        mode=options.mode,
        point=options.point,
        init=options.init,
        scale=options.scale,
        runs=options.runs,
        seed=options.seed,
        tolerance=options.tolerance,
        is_map=options.map,
        outputs=_outputs(options),
        progress=progress_bar(),
    )
    return _print_answer(answer, options)


def graph_command(options: argparse.Namespace) -> int:
    """Handle `graph`."""
    from equilibria.files.progress import progress_bar
    from equilibria.questions import graph

    answer = graph(
        model_options(options),
        max_components=options.max_components,
        order=options.order,
        init=options.init,
        start=options.start,
        runs=options.runs,
        seed=options.seed,
        every=options.every,
        outputs=_outputs(options),
        progress=progress_bar(),
    )
    return _print_answer(answer, options)


def cycles_command(options: argparse.Namespace) -> int:
    """Handle `cycles`."""
    from equilibria.questions import cycles

    answer = cycles(
        model_options(options),
        along=options.along,
        search=options.search,
        radius=options.radius,
        seed=options.seed,
        time_limit=options.time_limit,
        outputs=_outputs(options),
    )
    return _print_answer(answer, options)


def simulate_command(options: argparse.Namespace) -> int:
    """Handle `simulate`."""
    from empirical.commands.simulate import simulate_command as simulate

    names = ["runs", "steps", "init", "scale", "batch_size", "data", "seed", "device", "dtype"]
    names += ["log_every", "out", "name", "resume"]
    answer = simulate(model_options(options), **{name: getattr(options, name) for name in names})
    return _finish(answer, options)


def train_command(options: argparse.Namespace) -> int:
    """Handle `train`."""
    from empirical.commands.simulate import need_torch

    need_torch("train")
    from empirical.commands.train import train_command as train
    from empirical.commands.train_options import OPTIONS

    return _finish(train(**{o.field: getattr(options, o.field) for o in OPTIONS}), options)


def overlay_command(options: argparse.Namespace) -> int:
    """Handle `overlay`."""
    from empirical.commands.overlay import overlay_command as overlay

    answer = overlay(options.runs, max_runs=options.max_runs, no_html=options.no_html)
    return _finish(answer, options)


def _finish(answer: Any, options: argparse.Namespace) -> int:
    """Write the JSON file if one was asked for, print, and return the exit code."""
    if options.json is not None and options.json != "-":
        from equilibria.files.write import write_text
        from equilibria.questions import as_json

        write_text(options.json, as_json(answer.data), "--json")
    return _print_answer(answer, options)


def check_command(options: argparse.Namespace) -> int:
    """Handle `check`."""
    from equilibria.claims.command import check_command as check

    answer = check(
        options.files,
        listing=options.list,
        only=options.only,
        time_limit=options.time_limit,
        jobs=options.jobs,
        experiments="empirical.experiments.registry:ALL" if options.empirical else None,
        junit_path=options.junit,
        markdown_path=options.markdown,
        json_path=options.json,
        progress=_claim_done if sys.stderr.isatty() else None,
    )
    if options.json == "-":
        from equilibria.questions import as_json

        terminal.write_json(as_json(answer.data))
    else:
        from equilibria.files.escaping import escape

        print("\n".join(map(escape, answer.lines)))
    return answer.code


def verify_command(options: argparse.Namespace) -> int:
    """Handle `verify`."""
    from equilibria.files.escaping import escape
    from equilibria.files.untrusted import check_file
    from equilibria.verify import verify_file

    check_file(options.file, options.file, "a certificate (JSON)")
    verification = verify_file(options.file)
    if not verification.holds:
        print(escape(verification.line))
        return FAILED
    difference = _difference(verification, options)
    if difference is not None:
        print(f"fails: the certificate is of another model: {difference}")
        return FAILED
    print(escape(verification.line))
    print(f"about: {escape(verification.about)}")
    return DONE


def _difference(verification: Any, options: argparse.Namespace) -> str | None:
    """Compare a certificate that holds with the options and the report, where these are given."""
    from equilibria.systems.model_options import ModelOptions

    wanted = model_options(options)
    if wanted != ModelOptions():
        from equilibria.certificates.compare import difference_from_model
        from equilibria.systems.model_options import build_model

        found = difference_from_model(verification.model, build_model(wanted))
        if found is not None:
            return found
    if options.report is None:
        return None
    from equilibria.certificates.compare import difference_from_report

    return difference_from_report(verification.model, verification.components, options.report)


def _claim_done(done: int, total: int, outcome: Any) -> None:
    end = "\n" if done == total else ""
    from equilibria.files.escaping import escape

    text = f"{done} of {total} claims, {escape(outcome.claim.id)}"[:78]
    print(f"\r{text:78}", end=end, file=sys.stderr, flush=True)


def _outputs(options: argparse.Namespace) -> Any:
    from equilibria.questions import Outputs

    return Outputs(options.json, options.plot, getattr(options, "graphml", None))


def _print_answer(answer: Any, options: argparse.Namespace) -> int:
    """Print the lines, or the JSON alone; return the exit code."""
    if options.json == "-":
        from equilibria.questions import as_json

        terminal.write_json(as_json(answer.data))
    else:
        from equilibria.files.escaping import escape

        ascii_only = getattr(options, "ascii", False)
        for line in answer.lines:
            print(terminal.plain(escape(line)) if ascii_only else escape(line))
    return DONE if answer.decided else UNDECIDED


HANDLERS = {
    "equilibria": equilibria_command,
    "moments": moments_command,
    "phase": phase_command,
    "basin": basin_command,
    "graph": graph_command,
    "cycles": cycles_command,
    "simulate": simulate_command,
    "train": train_command,
    "overlay": overlay_command,
    "check": check_command,
    "verify": verify_command,
}


def run() -> NoReturn:
    """Entry point of the console script."""
    sys.exit(main())


if __name__ == "__main__":
    run()
