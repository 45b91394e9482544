"""What holds for the text of every page: names are text, nothing is fetched, charts are whole."""

from __future__ import annotations

import re
from xml.etree import ElementTree


def nothing_is_fetched(text: str) -> bool:
    """Whether a page loads nothing: all that it shows lies in it."""
    return not re.findall(r'(?:src|href)="(?!data:|#)|url\(|@import|https?:', text)


def names_are_text(text: str) -> bool:
    """Whether names that hold markup and templates, as the tests' do, are shown as they are."""
    return "<script" not in text and "&lt;script&gt;alert(1)&lt;/script&gt;" in text and "{{ 7 * 7 }}" in text


def charts_of(text: str) -> list[str]:
    """The drawings, panels and matrices of a page. Raises `ParseError` for one that is no XML."""
    charts = re.findall(
        r'<svg.*?</svg>|<section class="panel".*?</section>|<table class="heat">.*?</table>', text, re.DOTALL
    )
    for chart in charts:
        ElementTree.fromstring(chart)
    return charts
