"""What is written as Markdown shows what was said, by the reading of a Markdown parser."""

from __future__ import annotations

import re
from html import unescape

import pytest
from hypothesis import given, strategies as st

from fdakit.report.markdown import markdown_table, markdown_text
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
