"""The report's drawings against the numbers they show, and the page as text."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

import reports
import small_models
from pipeline.analysis.quantization_error import LayerExamination
from pipeline.aot.lowering import lower
from pipeline.aot.memory import Buffer, arena_buffers
from pipeline.report.charts import arena_chart, learning_chart, nice_ticks
from pipeline.report.details import learning_curves
from pipeline.report.examination import examination_of
from pipeline.report.html import render_html
from pipeline.tflite_reader import read_tflite

PROGRAM = lower(read_tflite(small_models.two_headed_convnet()))
BUFFERS = arena_buffers(PROGRAM)


@given(st.floats(-1e9, 1e9), st.floats(1e-9, 1e9))
def test_ticks_are_few_round_and_enclose_the_values(low: float, span: float) -> None:
    high = low + span
    span = high - low
    ticks = nice_ticks(low, high)
    assert 2 <= len(ticks) <= 6
    step = ticks[1] - ticks[0]
    slack = 1e-6 * step + 1e-9 * max(abs(low), abs(high))
    assert ticks[0] <= low + slack
    assert ticks[-1] >= high - slack
    assert step <= max(span, abs(low) * 1e-12) * 3 or span == 0


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0, 7840, [0, 2000, 4000, 6000, 8000]),
        (0.8336, 0.9674, [0.8, 0.85, 0.9, 0.95, 1.0]),
        (3, 3, [3.0, 3.1]),
    ],
)
def test_ticks_of_known_ranges(low: float, high: float, ticks: list[float]) -> None:
    assert nice_ticks(low, high) == ticks


def test_the_buffers_are_the_whole_plan() -> None:
    assert max(b.offset + b.size_bytes for b in BUFFERS) == PROGRAM.memory.arena_bytes
    for a, b in combinations(BUFFERS, 2):
        # An output may take over bytes of an input that is read for the last time.
        takes_over = a.last == b.first or b.last == a.first
        if a.first <= b.last and b.first <= a.last and not takes_over:
            assert a.offset + a.size_bytes <= b.offset or b.offset + b.size_bytes <= a.offset
    shapes = {buffer.name: buffer.shape for buffer in BUFFERS}
    assert shapes["input 1"] == (1, 20, 20, 3)
    assert shapes["CONV_2D 1"] == (1, 20, 20, 4)
    # Both outputs of the model live to the end.
    steps = len(PROGRAM.steps)
    ends = {buffer.name for buffer in BUFFERS if buffer.last == steps}
    assert ends == {"CONV_2D 1", "SOFTMAX 5"}


def test_the_arena_is_drawn_to_scale() -> None:
    arena = PROGRAM.memory.arena_bytes
    chart = arena_chart(BUFFERS, arena, len(PROGRAM.steps))
    height = chart.bottom - chart.top
    column = (chart.right - chart.left) / (len(PROGRAM.steps) + 1)
    for box, buffer in zip(chart.boxes, BUFFERS, strict=True):
        assert box.height == pytest.approx(max(buffer.size_bytes / arena * height, 1.5), abs=0.02)
        below = chart.bottom - box.y - box.height
        assert below == pytest.approx(buffer.offset / arena * height, abs=0.02)
        assert box.width == pytest.approx((buffer.last - buffer.first + 1) * column, abs=0.02)
        assert box.x == pytest.approx(chart.left + buffer.first * column, abs=0.02)
    kinds = {buffer.name: box.kind for box, buffer in zip(chart.boxes, BUFFERS, strict=True)}
    assert (kinds["input 0"], kinds["ADD 0"], kinds["SOFTMAX 5"]) == ("input", "between", "output")
    assert chart.y_ticks[-1].label == f"{arena:,}"
    alive = [b for b in BUFFERS if b.first <= chart.peak_step <= b.last]
    held = {byte for b in alive for byte in range(b.offset, b.offset + b.size_bytes)}
    assert chart.peak_bytes == len(held) <= arena


def test_of_two_tensors_in_one_place_the_one_that_is_seen_is_named() -> None:
    taken_over = Buffer("input 0", (1, 28, 28, 1), 0, 784, 0, 0)
    beside = Buffer("scratch of DEPTHWISE_CONV_2D 0", None, 784, 784, 0, 0)
    output = Buffer("DEPTHWISE_CONV_2D 0", (1, 28, 28, 1), 0, 784, 0, 1)
    boxes = arena_chart([taken_over, beside, output], 1568, 1).boxes
    assert [box.label is None for box in boxes] == [True, False, False]


def test_lines_of_both_trainings_join_and_fall_on_the_grid() -> None:
    epoch = {"loss": 1.0, "accuracy": 0.5, "test_loss": 2.0, "test_accuracy": 0.25}
    curves = learning_curves([{"epochs": [epoch, epoch]}, {"epochs": [{**epoch, "loss": 0.0}]}])
    assert curves is not None
    assert (curves.loss["training"], curves.float_epochs) == ((1.0, 1.0, 0.0), 2)
    chart = learning_chart("Loss", curves.loss, from_zero=True, first_phase=curves.float_epochs)
    training, test = chart.lines
    assert [point.y for point in training.points][2] == chart.bottom
    assert {point.y for point in test.points} == {
        tick.at for tick in chart.y_ticks if tick.label == "2.0"
    }
    second, third = (point.x for point in training.points[1:])
    assert chart.boundary == pytest.approx((second + third) / 2, abs=0.1)


def test_a_model_that_was_not_trained_here_has_no_curves() -> None:
    assert learning_curves([]) is None
    assert learning_curves([{"epochs": []}]) is None


class Tags(HTMLParser):
    """Element and attribute names of a page, with a check that elements are closed in order."""

    VOID = ("meta", "link", "input", "br", "img")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.seen: set[str] = set()
        self.addresses: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        self.addresses += [value or "" for name, value in attributes if name in ("src", "href")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, self.getpos()


@pytest.mark.parametrize("case", reports.CASES)
def test_the_page_is_whole_asks_for_nothing_and_runs_nothing(case: str) -> None:
    text = render_html(*reports.CASES[case]())
    page = Tags(text)
    assert page.open == []
    assert not page.seen & {"script", "iframe", "object", "form"}
    assert {address.partition(",")[0] for address in page.addresses} <= {
        "data:",
        "data:image/png;base64",
    }
    assert not re.search(r"@import|url\(|https?:", text)


def test_names_from_a_model_file_are_text() -> None:
    text = render_html(*reports.emulated_run())
    assert "<script>" not in text
    assert text.count("CUSTOM:&lt;script&gt;alert(1)&lt;/script&gt;") >= 2


def test_what_is_not_known_is_not_drawn() -> None:
    text = render_html(*reports.own_model_on_host())
    for absent in ("Confusion", "Training", "arena", "RAM of the image", "0 bytes"):
        assert absent not in text.partition("</style>")[2], absent
    assert "were not compared" in text
    assert "Outputs differ" in render_html(*reports.deep_network())


def test_mistakes_and_layers_are_told_with_their_values() -> None:
    text = render_html(*reports.emulated_run())
    assert text.count('src="data:image/png;base64,') == 2
    assert "of the device" in text.partition("Misclassified images")[2].partition("</section>")[0]
    assert "<b>Ankle boot</b> taken for <b>T-shirt/top</b>, 99.6&nbsp;%" in text
    assert "<b>Pullover</b> taken for <b>Coat</b></span>" in text
    quantization = text.partition('id="quantization"')[2].partition("</section>")[0]
    cells = re.findall(r'<td class="number">([\d.-]+)</td>', quantization)
    assert cells == ["51.2", "44.5", "-", "-3.0", "-", "-", "39.8", "-", "-", "-", "-", "-", "38.5"]
    assert '<td class="number">3\u00d73</td>' in text


def test_the_outline_is_as_high_as_the_counts() -> None:
    bins = (0, 5, 10, *[0] * 48)
    examined = LayerExamination(0, "CONV_2D", (1, 1, 1, 15), bins, 0.0, None, None)
    values = {"compared_images": None, "pictures": {}, "layers": [examined.to_json()]}
    unclassified = {"benchmark": {"samples": None, "confusion": None}}
    (layer,) = examination_of(values, unclassified).layers
    assert layer.outline.startswith("M0 30V30h3V15.5h3V1h3V30h3")
    assert layer.outline.endswith("V30Z")
    assert layer.outline.count("h3") == 51
