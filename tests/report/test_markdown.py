"""What is written as Markdown shows what was said, by the reading of a Markdown parser."""

from __future__ import annotations

import re
from html import unescape

import pytest
from hypothesis import given, strategies as st
from pydantic import BaseModel, Field

from fdakit.report.evaluation_report import Report
from fdakit.report.markdown import markdown_table, markdown_text
from fdakit.report.reference import reference_page
from fdakit.report.report_tables import report_markdown
from fdakit.report.result_tables import ReportedRuns
from fdakit.report.sweep_tables import METRICS, SweepSummary, sweep_markdown
from fdakit.report.text_tables import results_markdown
from fdakit.system.terminal_text import printable

markdown_it = pytest.importorskip("markdown_it")
PARSER = markdown_it.MarkdownIt("commonmark").enable(["table", "strikethrough"])
SIGNS = st.text(st.sampled_from("\\`*_[]()<>&#|~$!-+=:;.a1 b\n\x1b\"'/"), max_size=24)
HOSTILE = (
    "<script>alert(1)</script>",
    "![x](http://example.org/x.png)",
    "[run me](javascript:alert(1))",
    "a | b \\| c",
    "*bold* _it_ __b__ ~~gone~~ `code`",
    "&lt;b&gt; &#60; &amp",
    "# head",
    "> quote",
    "- item",
    "two\nlines\n\n# head",
    "<http://example.org>",
    "\x1b]0;owned\x07",
    "snake_case_name /a_b/c_d.mp4",
)


def shown(text: str) -> str:
    return printable(" ".join(text.split()), lines=False)


def texts(html: str) -> str:
    return unescape(re.sub(r"<[^>]+>", "", html))


@given(SIGNS | st.text() | st.sampled_from(HOSTILE))
def test_a_line_of_a_list_shows_what_was_said(text: str) -> None:
    html = PARSER.render(f"- said: {markdown_text(text)}\n")
    assert set(re.findall(r"<(\w+)", html)) <= {"ul", "li"}
    assert texts(html).strip() == f"said: {shown(text)}".strip()


@given(SIGNS | st.sampled_from(HOSTILE))
def test_a_heading_shows_what_was_said(text: str) -> None:
    html = PARSER.render(f"# {markdown_text(text)} end\n")
    assert set(re.findall(r"<(\w+)", html)) <= {"h1"}
    assert texts(html).strip() == f"{shown(text)} end".strip()


@given(st.lists(st.tuples(SIGNS | st.sampled_from(HOSTILE), SIGNS), min_size=1, max_size=3))
def test_a_cell_shows_what_was_said(rows: list[tuple[str, str]]) -> None:
    html = PARSER.render("\n".join(markdown_table(["a|b", "c"], rows)) + "\n")
    cells = re.findall(r"<td>(.*?)</td>", html)
    assert [texts(cell) for cell in cells] == [shown(cell).strip() for row in rows for cell in row]
    assert not set(re.findall(r"<(\w+)", html)) - {"table", "thead", "tbody", "tr", "th", "td"}


def test_plain_names_and_numbers_are_written_as_they_are() -> None:
    for text in ("fda-msvd", "snake_case", "/runs/a_b/c.mp4", "-0.5 ± 0.1", "R@1 (t2v)", "100%"):
        assert markdown_text(text).lstrip("\\") == text
    assert markdown_table(["a", "b"], [["x", "-0.5"]], rules=["---", "---:"])[1:] == ["|---|---:|", "| x | -0.5 |"]


def test_commands_between_backticks_are_set_as_code_where_asked() -> None:
    assert "<code>fdakit data check</code>" in PARSER.render(markdown_text("see `fdakit data check`", code=True))


@given(st.text(st.sampled_from("\\`|<>*_[]&a1 "), max_size=16))
def test_what_is_set_as_code_shows_every_sign_of_it(inner: str) -> None:
    text = f"see `{inner.replace('`', '') or '-'}` there"
    line = PARSER.render(markdown_text(text, code=True))
    cell = PARSER.render("\n".join(markdown_table(["a", "b"], [[text, "c"]], code=True)) + "\n")
    for html in (line, cell):
        (code,) = re.findall(r"<code>(.*?)</code>", html)
        assert unescape(code).strip() == shown(text).split("`")[1].strip()
    assert len(re.findall("<td>", cell)) == 2


def test_a_single_backtick_is_shown_where_code_is_set() -> None:
    assert texts(PARSER.render(markdown_text("see `a`, it`s *b*", code=True))).strip() == "see a, it`s *b*"


def tables_of(page: str) -> list[list[list[str]]]:
    """The cells of every table of a page, as a reader sees them."""
    return [
        [
            [texts(cell) for cell in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row)]
            for row in re.findall(r"(?s)<tr>(.*?)</tr>", table)
        ]
        for table in re.findall(r"(?s)<table>(.*?)</table>", PARSER.render(page))
    ]


@pytest.mark.parametrize("name", ["a|b", "a\\|b", "a\\", "|"])
def test_a_recipe_of_any_name_keeps_every_table_whole(name: str) -> None:
    for page in (sweep_page(name), *result_pages(name), reference(name)):
        tables = tables_of(page)
        assert tables
        assert all(len(row) == len(table[0]) for table in tables for row in table)
        assert any(name in cell for table in tables for row in table for cell in row)


def sweep_page(name: str) -> str:
    spread = {metric: {"mean": 1.0, "sd": 0.0} for metric in METRICS}
    row = {"recipe": name, "control": None, "t2v": spread, "v2t": spread}
    return sweep_markdown(SweepSummary.from_json({"seeds": [1], "rows": [row]}))


def result_pages(name: str) -> list[str]:
    ways = {way: dict.fromkeys((*METRICS, "R@50"), 1.0) for way in ("t2v", "v2t")}
    report = {
        "name": name,
        "protocol": {
            "dataset": "msvd",
            "split": "test",
            "captions": "multi-caption",
            "video_to_text": "grouped",
            "ties": "expected",
            "checkpoint_chosen_by": "last epoch",
            "mask": name,
            "mask_control": "none",
        },
        **ways,
        "ci95": {},
        "ties": {"t2v": 0, "v2t": 0},
        "pool": {"t2v": 2, "v2t": 2},
        "controls": {},
        "rescored": {name: {**ways, "needs_all_queries": True}},
        "videos": {"counted": 2, "missing": 0, "damaged": 0},
        "captions": {"counted": 2, "distinct": 2, "cut": 0},
        "masks": {"mean_coverage": 0.1, "empty_share": 0.0, "full_share": 0.0},
    }
    told = Report.from_json(report)
    return [report_markdown(told), results_markdown([ReportedRuns(name, (told,))])]


def reference(name: str) -> str:
    class Named(BaseModel):
        option: str = Field(name, description=f"as in {name}")

    return reference_page({}, {}, {"table": Named})
