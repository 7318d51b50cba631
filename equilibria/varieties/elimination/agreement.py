"""Do two engines agree? Mutual membership of their answers, with the ideal arithmetic of this package.

The irreducible components of a system are unique, so two answers that are both right list the same
primes, up to redundant ones. A prime ideal contains the product of others exactly when it contains
one of them: that is what is asked, of every prime of either answer.
"""

from __future__ import annotations

from collections.abc import Sequence

from equilibria.errors import ConsistencyError
from equilibria.exact.polynomial import Polynomial
from equilibria.varieties.elimination.budget import Budget
from equilibria.varieties.elimination.engines import Answer
from equilibria.varieties.elimination.ideal import Ideal


def compare(
    answer_a: Answer,
    answer_b: Answer,
    polynomials: Sequence[Polynomial],
    *,
    time_limit: float = 30.0,
) -> None:
    """Return when two answers to the same system agree; raise `ConsistencyError` when not.

    The system must vanish on every proposed prime, and every prime of one answer must contain a
    prime of the other, if that one says it is complete. What fails is either a component that one
    of them missed or invented, or an ideal that is not prime; the message carries both answers.
    Raises `LimitReached` after `time_limit` seconds: then nothing is decided.
    """
    budget = Budget(time_limit)
    a, b = (_proper(answer, polynomials, budget) for answer in (answer_a, answer_b))
    for answer, ideals in ((answer_a, a), (answer_b, b)):
        for ideal in ideals:
            for f in polynomials:
                if not ideal.contains(f):
                    trouble = f"{f.text()} does not vanish on {_named(answer)}'s {_zeros(ideal)}"
                    raise ConsistencyError(_both(trouble, answer_a, answer_b, polynomials))
    for answer, ideals, other, others in ((answer_a, a, answer_b, b), (answer_b, b, answer_a, a)):
        alone = [ideal for ideal in ideals if not any(_contains(ideal, q) for q in others)]
        if other.complete and alone:
            trouble = f"{_named(answer)}'s {_zeros(alone[0])} lies in no component of "
            raise ConsistencyError(_both(trouble + _named(other), answer_a, answer_b, polynomials))


def _proper(answer: Answer, polynomials: Sequence[Polynomial], budget: Budget) -> list[Ideal]:
    """Return the proposed ideals; the whole ring, which has no zeros, is no component."""
    ideals = [Ideal(polynomials[0].ring, prime, budget) for prime in answer.primes]
    return [ideal for ideal in ideals if not ideal.is_everything]


def _contains(ideal: Ideal, other: Ideal) -> bool:
    return all(ideal.contains(g) for g in other.basis)


def _both(trouble: str, a: Answer, b: Answer, polynomials: Sequence[Polynomial]) -> str:
    system = ", ".join(f.text() for f in polynomials)
    return f"{trouble}\nsystem: {system}\n{_shown(a)}\n{_shown(b)}"


def _shown(answer: Answer) -> str:
    standing = "complete" if answer.complete else f"incomplete: {answer.note}"
    lines = [", ".join(f.text() for f in prime) or "0" for prime in answer.primes]
    return "\n  ".join([f"{_named(answer)} ({standing}):", *(lines or ["no zeros"])])


def _named(answer: Answer) -> str:
    return f"{answer.engine} {answer.version}"


def _zeros(ideal: Ideal) -> str:
    return f"{{{', '.join(f'{g.text()} = 0' for g in ideal.basis)}}}"
