"""The report that `analyze` returns: the analysis, and the forms it can be written in."""

from __future__ import annotations

from dataclasses import dataclass

from equilibria.report.analysis import Analysis


@dataclass(frozen=True)
class Report(Analysis):
    """What `analyze` found; shows itself in a notebook."""

    def to_json(self) -> dict[str, object]:
        """Return the object of the interface contract, schema `noncollapse/equilibria/1`."""
        from equilibria.report.json import report_json

        return report_json(self)

    def _repr_html_(self) -> str:
        from equilibria.report.html import report_html

        return report_html(self)

    def _repr_latex_(self) -> str:
        from equilibria.report.latex import report_latex

        return report_latex(self)
