import json
from pathlib import Path

import pytest

from structloop.core.errors import LabelsError
from structloop.crystals.evaluation import evaluate_labels, read_labels
from structloop.loop.evaluation.plots import write_plots
from structloop.schema.images import Modality
from support.classifiers import BrightnessClassifier, brightness_card
from support.plates import write_grey


def labels_file(folder: Path, *rows: str, header: str = "image,label") -> Path:
    path = folder / "labels.csv"
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def images(tmp_path: Path) -> Path:
    for level in (10, 60, 140, 240):
        write_grey(tmp_path / "images" / f"{level}.png", level)
    return tmp_path


def test_labels_are_compared_with_what_the_model_says(images: Path) -> None:
    labels = labels_file(
        images, "images/240.png,Crystal", "images/140.png,OTHER", "images/60.png, crystal ", "images/10.png,other"
    )
    report = evaluate_labels(BrightnessClassifier(brightness_card(alarm_threshold=0.4)), labels, batch_size=3)
    told = report.to_json()
    assert told["auc"] == pytest.approx(0.75)
    assert told["threshold"] == 0.4
    assert told["metrics"]["confusion"] == {
        "true_positives": 1,
        "false_positives": 1,
        "false_negatives": 1,
        "true_negatives": 1,
    }
    assert [image["path"] for image in told["images"]] == [
        "images/240.png",
        "images/140.png",
        "images/60.png",
        "images/10.png",
    ]
    assert told["images"][0]["label"] == "crystal"
    assert told["images"][0]["probability"] == pytest.approx(240 / 255)
    json.dumps(told, allow_nan=False)


def test_bad_rows_are_told_with_their_line_and_the_rest_goes_on(images: Path) -> None:
    (images / "images" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nnot really")
    labels = labels_file(
        images,
        "images/240.png,crystal,visible",
        "images/10.png,maybe,",
        "images/none.png,other,",
        "",
        "images/broken.png,other,",
        "images/60.png,other,infrared",
        ",other,",
        "images/60.png,other,shg",
        "images/10.png,other,UV",
        header="Image,Label,Modality",
    )
    report = evaluate_labels(BrightnessClassifier(brightness_card()), labels)
    assert [problem.line for problem in report.problems] == [3, 4, 6, 7, 8, 9]
    assert "maybe" in report.problems[0].reason
    assert len(report.judged) == 2
    assert set(report.by_modality) == {Modality.VISIBLE, Modality.UV}


def test_a_model_of_one_modality_needs_no_column_for_it(images: Path) -> None:
    labels = labels_file(images, "images/10.png,other")
    found, _ = read_labels(labels, brightness_card(modalities=[Modality.UV]))
    assert found[0].modality is Modality.UV


def test_one_class_alone_is_judged_without_an_area(images: Path) -> None:
    labels = labels_file(images, "images/10.png,other", "images/60.png,other")
    told = evaluate_labels(BrightnessClassifier(brightness_card()), labels).to_json()
    assert told["auc"] is None
    assert "negative" in told["metrics"]["reasons"]["auc"]


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("picture,label\na.png,crystal\n", "'image' is missing"),
        ("image,label\n", "no usable row"),
        ("image,label\na.png,maybe\n", "line 2: label 'maybe'"),
        ("", "must name the columns"),
    ],
)
def test_a_file_without_anything_usable_is_an_error(tmp_path: Path, text: str, match: str) -> None:
    (tmp_path / "labels.csv").write_text(text)
    with pytest.raises(LabelsError, match=match):
        read_labels(tmp_path / "labels.csv", brightness_card())


def test_files_that_are_no_labels_are_errors(tmp_path: Path) -> None:
    with pytest.raises(LabelsError, match="cannot be read"):
        read_labels(tmp_path / "none.csv", brightness_card())
    (tmp_path / "latin.csv").write_bytes("image,label\nü.png,crystal\n".encode("latin-1"))
    with pytest.raises(LabelsError, match="UTF-8"):
        read_labels(tmp_path / "latin.csv", brightness_card())
    labels = labels_file(tmp_path, "gone.png,crystal")
    with pytest.raises(LabelsError, match="line 2"):
        evaluate_labels(BrightnessClassifier(brightness_card()), labels)


def test_a_spreadsheets_byte_order_mark_is_no_part_of_the_header(images: Path) -> None:
    path = images / "labels.csv"
    path.write_bytes("\ufeffimage,label\nimages/10.png,other\n".encode())
    assert len(read_labels(path, brightness_card())[0]) == 1


def test_plots_are_written_as_png_and_svg(images: Path, tmp_path: Path) -> None:
    labels = labels_file(images, "images/240.png,crystal", "images/140.png,other", "images/60.png,crystal")
    report = evaluate_labels(BrightnessClassifier(brightness_card()), labels)
    for count, chosen in ((8, report.judged), (4, report.judged[:1])):
        folder = tmp_path / f"plots{count}"
        part = (
            report.overall
            if count == 8
            else evaluate_labels(
                BrightnessClassifier(brightness_card()), labels_file(images, "images/240.png,crystal")
            ).overall
        )
        written = write_plots(
            folder,
            part,
            [each.image.is_crystal for each in chosen],
            [each.probability for each in chosen],
            0.5,
            positive="crystal",
            negative="other",
            title="t",
        )
        assert len(written) == count
        assert all(path.stat().st_size > 1000 for path in written)
