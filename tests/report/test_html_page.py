"""A page: one file, well formed, every text as it was given, every picture once."""

from __future__ import annotations

import base64
import re
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given, strategies as st
from PIL import Image

from fdakit.report.html_page import Card, Gallery, PageBars, PageTable, Shot, page_html

EMPTY = {"meta", "image", "use"}
PLACES = ("title", "line", "table", "bars", "gallery")


def jpeg(level: int, size: tuple[int, int] = (64, 48)) -> bytes:
    written = BytesIO()
    Image.new("RGB", size, (level, level, level)).save(written, "JPEG")
    return written.getvalue()


class Outline(HTMLParser):
    """Elements in their order with attributes, and the text within each kind; fails where tags do not match."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in EMPTY:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in EMPTY
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.texts.append((self.open[-1] if self.open else "", data.strip()))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]

    def said(self, tag: str) -> list[str]:
        return [text for name, text in self.texts if name == tag]


DARK, BRIGHT = jpeg(20), jpeg(220, (30, 60))
CARD = Card(
    "a <b> & c", ("rank 1",), (Shot("target", DARK), Shot("first", BRIGHT, "wrong"), Shot("x", None, "right"))
)
TABLE = PageTable("scores", ("", "R@1", "MdR"), (("own", "48.2", "2.0"), ("other", "40.0", "3.0")), "in percent")
PAGE = page_html(
    "a page",
    lines=["3 videos are absent", "second"],
    tables=[TABLE],
    galleries=[Gallery("worst", "one query a video", (CARD,)), Gallery("best", "", (CARD, CARD))],
    bars=[PageBars("ranks", (("1", 30), ("2 to 5", 0), ("over 5", 10)))],
)


def test_everything_given_is_on_the_page_in_its_place() -> None:
    page = Outline(PAGE)
    assert page.said("h1") == page.said("title") == ["a page"]
    assert page.said("li") == ["3 videos are absent", "second"]
    assert page.said("h2") == ["scores", "ranks", "worst", "best"]
    assert page.said("h3") == ["a <b> & c"] * 3
    assert page.said("td") == ["48.2", "2.0", "40.0", "3.0", "30", "75.0%", "0", "0.0%", "10", "25.0%"]
    assert page.said("p") == ["in percent", "one query a video", *["rank 1"] * 3]
    assert page.said("figcaption") == ["target", "first", "x"] * 3


def test_a_picture_is_stored_once_and_shown_wherever_it_belongs() -> None:
    page = Outline(PAGE)
    stored = {f"#{image['id']}": image for image in page.all("image")}
    shown = [use["href"] for use in page.all("use")]
    assert len(stored) == 2
    assert shown == list(stored) * 3
    for image, expected in zip(stored.values(), (DARK, BRIGHT), strict=True):
        data = base64.b64decode((image["href"] or "").removeprefix("data:image/jpeg;base64,"))
        assert data == expected
        with Image.open(BytesIO(data)) as picture:
            assert (str(picture.width), str(picture.height)) == (image["width"], image["height"])


def test_who_sees_neither_colours_nor_pictures_is_told_the_same() -> None:
    page = Outline(PAGE)
    labels = [svg["aria-label"] for svg in page.all("svg") if svg.get("role") == "img"]
    assert labels == ["target", "first (wrong)"] * 3
    assert page.said("b") == ["✗", "✓"] * 3
    assert page.said("div") == ["no picture"] * 3


def test_the_longest_bar_is_the_whole_width_and_the_others_in_proportion() -> None:
    widths = re.findall(r"width:([\d.]+)%", PAGE.partition("</style>")[2])
    assert [float(width) for width in widths] == [100, 0, 33.33]


def test_nothing_is_fetched_and_nothing_runs() -> None:
    page = Outline(PAGE)
    links = [value or "" for _, attrs in page.elements for key, value in attrs.items() if key in ("href", "src")]
    assert all(link.startswith(("#", "data:")) for link in links)
    assert not page.all("script")
    assert "url(" not in PAGE
    assert "@import" not in PAGE
    assert "prefers-color-scheme: dark" in PAGE


def test_a_page_of_nothing_is_a_page() -> None:
    page = Outline(page_html("", lines=[], tables=[], galleries=[]))
    assert [tag for tag, _ in page.elements[-2:]] == ["main", "h1"]


def test_an_unknown_mark_is_refused() -> None:
    with pytest.raises(ValueError, match="'maybe'; wanted one of 'right', 'wrong'"):
        Shot("a", None, "maybe")


@given(st.text(st.characters(codec=None), max_size=20))
def test_any_text_makes_a_page_that_can_be_written(text: str) -> None:
    tables = [PageTable(text, (text,), ((text,),), text)]
    galleries = [Gallery(text, text, (Card(text, (text,), (Shot(text, DARK),)),))]
    page = page_html(text, lines=[text], tables=tables, galleries=galleries, bars=[PageBars(text, ((text, 1),))])
    assert Outline(page.encode("utf-8").decode("utf-8")).all("script") == []


def test_what_the_page_is_made_of_goes_into_the_wheel() -> None:
    builder = pytest.importorskip("hatchling.builders.wheel").WheelBuilder(str(Path(__file__).parents[2]))
    packed = {file.distribution_path for file in builder.recurse_included_files()}
    assert {"fdakit/report/templates/page.html.jinja", "fdakit/report/templates/page.css"} <= packed


@pytest.mark.parametrize("place", PLACES)
def test_no_text_is_markup_wherever_it_stands(place: str) -> None:
    at = {name: "<script>alert('&amp;')</script>" if name == place else "x" for name in PLACES}
    page = page_html(
        at["title"],
        lines=[at["line"]],
        tables=[PageTable(at["table"], ("", at["table"]), ((at["table"], at["table"]),), at["table"])],
        galleries=[
            Gallery(
                at["gallery"],
                at["gallery"],
                (Card(at["gallery"], (at["gallery"],), (Shot(at["gallery"], DARK, "wrong"),)),),
            )
        ],
        bars=[PageBars(at["bars"], ((at["bars"], 1),), at["bars"])],
    )
    outline = Outline(page)
    assert outline.all("script") == []
    shown = [text for _, text in outline.texts] + [str(svg.get("aria-label")) for svg in outline.all("svg")]
    assert any("<script>alert('&amp;')</script>" in text for text in shown)
