"""overlay.json, overlay.png and overlay.html: made in memory first, then each written atomically."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from typing import TypeVar

from empirical.overlay.folder import FolderOverlay
from empirical.overlay.networks import NetworkOverlay
from equilibria.files.write import atomic, write_text

JSON, PNG, HTML = "overlay.json", "overlay.png", "overlay.html"


Overlay = TypeVar("Overlay", bound=FolderOverlay | NetworkOverlay)


def written(folder: Overlay, *, html: bool = True) -> Overlay:
    """Write the files of one folder and return the overlay with their names."""
    text = json.dumps(folder.data, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    picture = io.BytesIO()
    if isinstance(folder, FolderOverlay):
        from empirical.overlay.figures import draw_png
        from empirical.overlay.page import html_page

        draw_png(folder, picture)
        page = html_page(folder) if html else None
    else:
        from empirical.overlay.network_figure import draw_network, network_page

        draw_network(folder, picture)
        page = network_page(folder) if html else None
    write_text(folder.path / JSON, text, "overlay")
    with atomic(folder.path / PNG, "overlay", binary=True) as stream:
        stream.write(picture.getvalue())
    names = [JSON, PNG]
    if page is not None:
        write_text(folder.path / HTML, page, "overlay")
        names.append(HTML)
    else:  # one of a former call would contradict the new overlay.json
        (folder.path / HTML).unlink(missing_ok=True)
    return replace(folder, files=tuple(names))
