"""Hostile text through every form of output: it shows as what it is and is nothing else."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

import equilibria as eq
from empirical.commands.program import main
from equilibria.claims.claim import Claim, Outcome
from equilibria.claims.text import check_lines, junit, markdown
from equilibria.files.escaping import Form, escape
from equilibria.report.latex import report_latex

HOSTILE = {
    "clear the screen": "a\x1b[2J\x1b[31mb",
    "title": "\x1b]0;gone\x07",
    "return": "holds\rfails",
    "backspace": "no\b\byes",
    "null": "a\x00b",
    "c1": "a\x9b31mb",
    "right to left": "abc\u202egpj.exe",
    "isolate": "\u2066a\u2069",
    "zero width": "pay\u200bpal",
    "line separator": "a\u2028b\u2029c",
    "surrogate": "a\ud800b",
    "no character": "a\ufffeb",
    "tag": "a\U000e0041b",
    "selector": "a\ufe0f\U000e0101b",
    "filler": "a\u3164b\u115fc",
    "html": "<script>alert('x')</script> & \"quoted\" 'single'",
    "markdown": "![x](http://a/b.png) [l](javascript:x) `c` | **b** <b> ~~s~~ #1 @user $m$",
    "fence": "```\n# a\n```",
    "latex": r"\input{/etc/passwd} $x^2$ % & # _ ~ { } \end{document}",
    "rich": "[red]x[/red] [link=http://a]b[/link]",
}
FORMS: tuple[Form, ...] = ("terminal", "markdown", "code", "cell", "latex", "html", "xml")


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", HOSTILE)
def test_nothing_unseen_is_left(name: str, form: Form) -> None:
    shown = escape(HOSTILE[name], form)
    assert shown.isprintable()
    shown.encode("utf-8")
    assert not set(shown) & set("\u3164\u115f\ufe0f\U000e0101")


@given(text=st.text(), form=st.sampled_from(FORMS))
def test_any_text_becomes_one_line_that_can_be_written(text: str, form: Form) -> None:
    shown = escape(text, form)
    assert shown.isprintable()
    assert len(escape(text, form, lines=True).splitlines()) <= text.count("\n") + 1
    assert escape(escape(text)) == escape(text)


def test_what_can_be_seen_stays() -> None:
    assert escape("η = 1/20, naïve café, 数据/图.png") == "η = 1/20, naïve café, 数据/图.png"
    assert escape("a\tb\nc", lines=True) == "a\tb\nc"
    assert escape("a\tb\nc") == r"a\tb\nc"
    assert escape("\u202e\ud800\x1b") == r"\u202e\ud800\x1b"


class Texts(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.texts += [value or "" for _, value in attrs]

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


@given(text=st.text() | st.sampled_from(sorted(HOSTILE.values())))
def test_html_gives_the_text_back_and_no_tag(text: str) -> None:
    parser = Texts()
    parser.feed(f'<p title="{escape(text, "html")}">{escape(text, "html")}</p>')
    parser.close()
    assert parser.tags == ["p"]
    assert parser.texts[0] == escape(text)
    assert "".join(parser.texts[1:]) == escape(text)


@given(text=st.text() | st.sampled_from(sorted(HOSTILE.values())))
def test_xml_can_be_read_back(text: str) -> None:
    node = ElementTree.Element("case", name=escape(text, "xml"))
    node.text = escape(text, "xml", lines=True)
    again = ElementTree.fromstring(ElementTree.tostring(node, "utf-8"))
    assert again.get("name") == escape(text)
    assert (again.text or "") == escape(text, lines=True)


@given(text=st.text(alphabet=st.characters(max_codepoint=0x7F)))
def test_markdown_marks_and_latex_commands_are_taken_their_meaning(text: str) -> None:
    marks = re.sub(r"\\.", "", escape(text, "markdown"))
    assert not set(marks) & set("`*_{}[]()<>#+!|~&$@")
    plain = escape(text, "latex")
    for known in (r"\textbackslash{}", r"\textasciicircum{}", r"\textasciitilde{}"):
        plain = plain.replace(known, "")
    plain = re.sub(r"\$(<|>|\||\\le|\\ge)\$", "", plain)
    assert not set(re.sub(r"\\[{}$&#%_]", "", plain)) & set("\\{}$&#%_^~")


def hostile_outcomes(text: str) -> list[Outcome]:
    """Return outcomes of a claim whose every word is hostile."""
    from equilibria.claims.decision import decide
    from equilibria.claims.reader import read_claims

    path = Path("examples/claims.toml")
    claim: Claim = replace(
        read_claims([path])[0], id=f"id{text}", says=f"It says {text}.", path=Path(f"{text}.toml")
    )
    outcome = decide(claim)
    worse = replace(
        outcome, claim=replace(claim, expect="refuted" if outcome.expected else "holds")
    )
    return [outcome, worse]


@pytest.mark.parametrize(
    "name", ["clear the screen", "surrogate", "right to left", "html", "fence"]
)
def test_claims_reach_terminal_markdown_and_junit_escaped(name: str) -> None:
    text = HOSTILE[name]
    outcomes = hostile_outcomes(text)
    for line in check_lines(outcomes, f"title {text}", 60):
        assert line.isprintable()
    page = markdown(outcomes, f"title {text}")
    page.encode("utf-8")
    assert all(line.isprintable() for line in page.splitlines())
    fences = [line for line in page.splitlines() if line.lstrip().startswith("```")]
    assert len(fences) % 2 == 0
    assert all(line == "```" for line in fences)
    rows = [line for line in page.splitlines() if line.startswith("| ")]
    assert all(len(re.findall(r"(?<!\\)\|", row)) == 5 for row in rows)
    tree = ElementTree.fromstring(junit(outcomes).encode("utf-8"))
    names = [case.get("name") or "" for case in tree.iter("testcase")]
    assert names == [escape(f"id{text}")] * 2


@pytest.mark.parametrize("name", HOSTILE)
def test_names_of_files_reach_the_terminal_escaped(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    text = HOSTILE[name].replace("\x00", "")
    for words in (
        ["verify", f"{text}.json"],
        ["equilibria", "--moments", f"{text}.npz"],
        ["equilibria", "--procedure", f"{text}.toml"],
        ["equilibria", "--lr", f"{text}"],
        ["check", f"{text}.toml"],
        ["check", "--only", f"none{text}"],
        ["overlay", f"{text}"],
    ):
        assert main(words) == 2
        err = capsys.readouterr().err
        assert all(line.isprintable() for line in err.split("\n")), words
        err.encode("utf-8")


def test_a_certificate_cannot_write_to_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from equilibria.certificates import certificate

    honest = certificate(eq.Model(moments=eq.Moments.commuting(signal=[1]), embed_dim=1))
    for text in HOSTILE.values():
        for place in ("id", "collapse", "scope", "key", "schema", "procedure", "generator"):
            document = json.loads(json.dumps(honest))
            if place == "key":
                document["system"]["flow"][text] = []
            elif place == "schema":
                document["schema"] = text
            elif place == "procedure":
                document["model"]["procedure"] = text
            elif place == "generator":
                document["generators"] = [{"name": text, "relation": [], "cell": "1"}]
            else:
                document["components"][0][place] = text
            path = tmp_path / "c.json"
            path.write_text(json.dumps(document), encoding="utf-8")
            assert main(["verify", str(path)]) == 1
            (line,) = capsys.readouterr().out.splitlines()
            assert line.startswith("fails: ")
            assert line.isprintable()


@pytest.mark.parametrize("name", HOSTILE)
def test_the_source_of_moments_reaches_every_page_escaped(name: str) -> None:
    from rich.console import Console

    from equilibria.report.html import report_html
    from equilibria.report.text import print_report

    dense = eq.Moments.dense([[2.0, 0.0], [0.0, 2.0]], [[1.0, 0.5], [0.5, 1.0]])
    moments = replace(dense, source=HOSTILE[name])
    report = eq.analyze(eq.Model(moments=moments, embed_dim=1))
    stream = io.StringIO()
    print_report(report, Console(file=stream, width=400))
    assert all(line.isprintable() for line in stream.getvalue().split("\n"))
    parser = Texts()
    parser.feed(report_html(report))
    allowed = {
        "div",
        "p",
        "b",
        "table",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
        "code",
        "small",
        "ul",
        "li",
    }
    assert set(parser.tags) <= allowed
    page = report_latex(report)
    assert page.isascii()
    assert r"\input" not in page
    assert page.count(r"\end{document}") <= 1
