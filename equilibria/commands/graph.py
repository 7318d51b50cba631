"""`graph`: strata, the orbits between them, and the order in which modes are learned."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from equilibria.commands.answer import Answer
from equilibria.commands.command import Command
from equilibria.commands.options import Option, Words, flag, grouped, number, whole
from equilibria.commands.tables import FILES, MAX_COMPONENTS, MODEL, seed_of
from equilibria.errors import FormatError

if TYPE_CHECKING:
    from equilibria.graph import LearningOrder
    from equilibria.systems.model import Model
    from equilibria.systems.model_options import ModelOptions

OPTIONS = (
    *MODEL,
    *grouped(
        "question",
        MAX_COMPONENTS._replace(help="nodes at most"),
        flag("--every", "print every edge"),
        flag("--order", "the saddles that small starts visit"),
        Option("--init", "NAME", "of --order: balanced, kaiming, normal or orthogonal", "balanced"),
        Option("--start", "S", "of --order: factor of the initial values", Words("chosen"), number),
        Option("--runs", "N", "of --order: starts", "8", whole(1)),
        seed_of("directions and starts"),
    ),
    *FILES,
    *grouped("output", Option("--graphml", "F", "write the graph as GraphML")),
)

EXAMPLES = (
    ("graph --plot graph.png", "attractors, and what leads where"),
    ("graph --order --signal 1,3/4,1/2 --embed-dim 3 --weight-decay 1/100", ""),
)


class Question(NamedTuple):
    """A model, how many strata, and whether small starts are followed as well."""

    model: ModelOptions
    max_components: int
    every: bool
    order: bool
    init: str
    start: float | None
    runs: int
    seed: int
    plot: str | None
    graphml: str | None


def answer(question: Question) -> Answer:
    """Return the graph; without weight decay the order alone, where strata make no graph."""
    from equilibria.files.progress import progress_bar
    from equilibria.graph import connection_graph, draw_graph, graph_lines, graphml_text
    from equilibria.systems.model_options import build_model

    model = build_model(question.model)
    learned = _order(model, question) if question.order else None
    if learned is not None and not (model.eta and model.eta_p):
        return _order_alone(learned, question)
    found = connection_graph(
        model,
        max_components=question.max_components,
        seed=question.seed,
        order=learned,
        progress=progress_bar(),
    )

    return Answer(
        graph_lines(found, every=question.every),
        found.to_json,
        decided=found.decided,
        draw=lambda stream, form: draw_graph(found, stream, form),
        texts={"graphml": lambda: graphml_text(found)},
    )


def _order(model: Model, question: Question) -> LearningOrder:
    from equilibria.graph import learning_order

    return learning_order(
        model, init=question.init, scale=question.start, runs=question.runs, seed=question.seed
    )


def _order_alone(learned: LearningOrder, question: Question) -> Answer:
    from equilibria.graph import order_lines

    if question.plot is not None or question.graphml is not None:
        option = "--plot" if question.plot is not None else "--graphml"
        raise FormatError(f"{option}: there is no graph without weight decay, only the order")
    return Answer(
        order_lines(learned),
        lambda: {"schema": "noncollapse/graph/1", "itinerary": learned.to_json()},
        decided=all(run.end is not None for run in learned.runs),
    )


COMMAND = Command(OPTIONS, Question, answer, EXAMPLES)
