"""What an overlay found, as data, as JSON and as text for the terminal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from empirical.overlay.folder import SCHEMA, FolderOverlay
from empirical.overlay.text import text_lines
from equilibria.files.untrusted import Table

if TYPE_CHECKING:
    from empirical.overlay.networks import NetworkOverlay


@dataclass(frozen=True)
class OverlayResult:
    """The overlay of one or many run folders."""

    folders: tuple[FolderOverlay | NetworkOverlay, ...]

    @property
    def agreement(self) -> float | None:
        """Return the share of all runs that rest where predicted; None where there is none."""
        linear = [f for f in self.folders if isinstance(f, FolderOverlay)]
        total = sum(f.judged for f in linear)
        return sum(f.agreed for f in linear) / total if total else None

    @property
    def decided(self) -> bool:
        return all(folder.decided for folder in self.folders)

    @property
    def data(self) -> Table:
        """Return the object of overlay.json; for several folders one holding theirs in a list."""
        if len(self.folders) == 1:
            return self.folders[0].data
        return {
            "schema": SCHEMA,
            "folders": [{"folder": str(f.path), **f.data} for f in self.folders],
            "agreement": self.agreement,
            "decided": self.decided,
        }

    @property
    def lines(self) -> tuple[str, ...]:
        """Return the text for the terminal."""
        return tuple(text_lines(self.folders))
