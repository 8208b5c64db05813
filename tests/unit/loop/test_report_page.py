"""The report page: one file with everything in it, and nothing of an image's name taken for markup."""

import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from structloop.core.errors import EvaluationSetError, ImageMissingError
from structloop.loop.datasets.items import LabelledItem
from structloop.loop.evaluation.comparing import compare
from structloop.loop.evaluation.judging import Judgement, judge_items, judgement_of
from structloop.loop.evaluation.report_page import comparison_page, evaluation_page, write_page
from structloop.schema.images import Modality
from support.classifiers import BrightnessClassifier, brightness_card
from support.labelled_items import labelled_items


class Reader(HTMLParser):
    """Notes what a page holds, and that its tags are closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text = ""
        self.sources: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "img":
            self.sources.append(str(dict(attrs)["src"]))
        elif tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def judged(name: str, threshold: float) -> Judgement:
    classifier = BrightnessClassifier(brightness_card(name, alarm_threshold=threshold))
    items = labelled_items(30, ["a", "b"])
    return judge_items(classifier, items, Modality.VISIBLE)


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    assert reader.open == []
    return reader


def test_a_page_holds_everything_that_it_shows(tmp_path: Path) -> None:
    found = judged("one", 0.44)
    page = evaluation_page(found, title="One model")
    reader = read(page)
    assert all(source.startswith("data:image/") for source in reader.sources)
    assert not re.search(r'(src|href)="(?!data:)', page)
    for text in ("balanced accuracy", "Review load", "By group", "Missed: crystal", "False alarms"):
        assert text in reader.text
    errors = int((found.is_alarm != found.is_positive).sum())
    assert sum(source.startswith("data:image/jpeg") for source in reader.sources) == min(errors, 24)
    write_page(tmp_path / "report.html", page)
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == page
    with pytest.raises(EvaluationSetError, match="cannot be written"):
        write_page(tmp_path / "missing" / "report.html", page)


def test_a_comparison_shows_both_and_where_they_disagree() -> None:
    comparison = compare(judged("one", 0.40), judged("two", 0.46))
    reader = read(comparison_page(comparison, title="Two models", reasons=["recall falls by <much>"]))
    for text in ("current", "candidate", "McNemar", "recall falls by <much>", "Where the two models disagree"):
        assert text in reader.text


def test_names_are_no_markup_and_missing_pictures_are_told() -> None:
    def missing() -> object:
        raise ImageMissingError("<b>gone</b>")

    items = [LabelledItem("<script>alert(1)</script>", "<i>", "crystal", missing, tags=(("detail", "a&b"),))]  # type: ignore[arg-type]
    page = evaluation_page(judgement_of(brightness_card(), Modality.VISIBLE, items, np.array([0.1])), title="<x>")
    assert "<script>" not in page
    assert "<b>gone" not in page
    assert "<b>gone</b>" in read(page).text
