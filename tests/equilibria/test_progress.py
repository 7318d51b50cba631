"""The progress bar: silent for a second, silent where nobody watches, gone when done."""

from __future__ import annotations

import io

from equilibria.files.progress import progress_bar


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_nothing_is_drawn_where_nobody_watches() -> None:
    assert progress_bar(stream=io.StringIO()) is None


def test_short_work_is_silent() -> None:
    out = Terminal()
    show = progress_bar(stream=out, clock=iter([0.0, 0.2, 0.5, 0.9]).__next__)
    assert show is not None
    for done in (1, 2, 3, 4):
        show(done, 4)
    assert out.getvalue() == ""


def test_long_work_shows_how_far_it_is_and_leaves_no_trace() -> None:
    out = Terminal()
    show = progress_bar(stream=out, clock=iter([0.0, 0.5, 1.2, 1.21, 2.0]).__next__)
    assert show is not None
    for done in (1, 2, 3, 4, 5):
        show(done, 5)
    text = out.getvalue()
    assert text.count("\r[") == 2  # at 1.2 and 2.0 s; not at 0.5, and not again after 0.01 s
    assert "2 of 5" in text
    assert text.endswith("\r\x1b[K")
