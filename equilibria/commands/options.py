"""Options as data: how one is typed, what it means, what it is where nothing is typed, who reads it.

The parser of a command, its help and the question that it answers are made of one table. A table
loads nothing heavy: readers import when they read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeVar

from equilibria.errors import FormatError

if TYPE_CHECKING:
    from equilibria.systems.model_options import ModelOptions

Reader = Callable[[str, str], object]
"""(text, option) -> value; raises `FormatError` naming the option."""

Typed = Mapping[str, object]
"""What was typed, by field; None or False where nothing was."""

Kind = Literal["value", "required", "flag", "switch", "list", "argument", "arguments", "any"]


def as_typed(text: str, _option: str) -> str:
    """Read text as it is."""
    return text


class Words(str):
    """What happens where nothing is typed, where that is not one value to be read."""


class Option(NamedTuple):
    """One option, or an argument where the name has no dashes.

    The default is what is read where nothing is typed. A flag is there or not, a switch is `--name` or
    `--no-name`, a list may be given again and again.
    """

    name: str
    metavar: str = ""
    help: str = ""
    default: str | Words | None = None
    reader: Reader = as_typed
    kind: Kind = "value"
    group: str = ""

    @property
    def field(self) -> str:
        """The name in a question: `--weight-decay` is `weight_decay`."""
        return self.name.removeprefix("--").replace("-", "_")

    @property
    def text(self) -> str:
        """The line of the help."""
        return f"{self.help} ({self.default})" if self.default else self.help

    @property
    def fallback(self) -> str | None:
        """The text that is read where nothing is typed; None where words say what happens."""
        return None if isinstance(self.default, Words) else self.default

    def value(self, typed: object) -> object:
        """Return the value of what was typed, or of the default."""
        if self.kind == "flag":
            return bool(typed)
        text = self.fallback if typed is None else typed
        return self.reader(text, self.name) if isinstance(text, str) else text


def flag(name: str, text: str) -> Option:
    """Return an option that is there or not."""
    return Option(name, "", text, kind="flag")


def switch(name: str, text: str, default: str) -> Option:
    """Return an option that is said or denied."""
    return Option(name, "", text, default, kind="switch")


def grouped(title: str, *options: Option) -> tuple[Option, ...]:
    """Return the options under a title of the help."""
    return tuple(option._replace(group=title) for option in options)


def whole(least: int, most: int | None = None) -> Reader:
    """Return the reader of whole numbers from `least` to `most`."""

    def read(text: str, option: str) -> int:
        from equilibria.exact import rationals

        return rationals.whole(text, option, least, rationals.MOST if most is None else most)

    return read


def seed(text: str, option: str) -> int:
    """Read a seed."""
    from equilibria.exact import rationals

    return rationals.whole(text, option, 0, rationals.MOST_SEED)


def number(text: str, option: str) -> float:
    """Read a number of bounded size, to the nearest double."""
    from equilibria.exact.rationals import quantity, to_float

    return to_float(quantity(text, option))


Asked = TypeVar("Asked")


def question(kind: Callable[..., Asked], options: Iterable[Option], typed: Typed) -> Asked:
    """Return a frozen question, each of its fields read by the option of that name.

    A field `model` is the model's options, a field `typed` what was typed of all that is not output,
    by name of the option. Raises `FormatError` naming an option that makes no sense.
    """
    special: dict[str, Callable[[], object]] = {
        "model": lambda: model_options(typed),
        "typed": lambda: {o.name: typed[o.field] for o in options if _is_typed(o, typed)},
    }
    table = {option.field: option for option in options}
    names = kind.__annotations__
    return kind(
        **{n: special[n]() if n in special else table[n].value(typed.get(n)) for n in names}
    )


def refuse(typed: Mapping[str, str], names: Iterable[str], why: str) -> None:
    """Raise `FormatError` for the first of some options that was typed."""
    for name in names:
        if name in typed:
            raise FormatError(f"{name} {typed[name]}: {why}")


OUTPUT = "output"
"""The group of what is no part of a question, only where its answer goes."""


def _is_typed(option: Option, typed: Typed) -> bool:
    value = typed.get(option.field)
    return (
        option.group != OUTPUT
        and value is not None
        and (option.kind == "switch" or value is not False)
    )


def model_options(typed: Typed) -> ModelOptions:
    """Return the options of the model among those typed."""
    from equilibria.systems.model_options import ModelOptions

    texts: dict[str, Any] = {name: typed.get(name) for name in ModelOptions.__slots__}
    return ModelOptions(**{**texts, "floating": bool(typed.get("float"))})
