"""A page as a browser would take it apart: tags, attributes, text and the cells of tables."""

from __future__ import annotations

from html.parser import HTMLParser


class Page(HTMLParser):
    """What is in an HTML file."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.texts: list[str] = []
        self.rows: list[list[str]] = []
        self._cell = False
        self.feed(html)

    @property
    def text(self) -> str:
        """All text, the no-break blanks made plain."""
        return " ".join(" ".join(self.texts).replace("\xa0", " ").split())

    def row(self, name: str) -> list[str]:
        """The first table row that begins with a name."""
        return next(row for row in self.rows if row and row[0] == name)

    def names(self) -> set[str]:
        """Names of all tags."""
        return {tag for tag, _ in self.tags}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
            self._cell = True

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th"):
            self._cell = False

    def handle_data(self, data: str) -> None:
        self.texts.append(data)
        if self._cell:
            self.rows[-1][-1] += data.replace("\xa0", " ")


def assert_stands_alone(html: str) -> None:
    """No script, no handler, nothing fetched from elsewhere."""
    page = Page(html)
    assert page.names().isdisjoint({"script", "iframe", "object", "embed", "base", "form", "img"})
    for _, attributes in page.tags:
        for name, value in attributes.items():
            assert not name.startswith("on"), (name, value)
            if name in ("href", "src", "srcset", "xlink:href", "action", "data"):
                assert value.startswith(("#", "data:")), (name, value)
            assert "url(" not in value or "url(#" in value, (name, value)
    assert "@import" not in html
    assert "http://" not in html
    assert "https://" not in html
    assert html.count("<svg") == html.count("</svg>")
