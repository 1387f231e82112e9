"""The search apart from networks: toy ones against exhaustive search, budgets, table, refusals."""

from __future__ import annotations

import itertools
import json
import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

import small_models
from command import run
from pipeline import boards
from pipeline.aot.lowering import lower
from pipeline.aot.program import Step as ProgramStep
from pipeline.errors import PipelineError, UsageError
from pipeline.search.budget import Budget, Cost
from pipeline.search.candidates import chosen_steps
from pipeline.search.cost_model import require_countable
from pipeline.search.cuts import Cut
from pipeline.search.layer_costs import LayerCost, LayerTable, layer_key
from pipeline.search.macs import compare_macs, spearman
from pipeline.search.page import SearchState, search_json, write_pages
from pipeline.search.record import step_json, step_of_json
from pipeline.search.shrink import Proposal, Step, Tuned, next_step, shrink, smallest_meeting
from pipeline.search.trials import Saved
from pipeline.store import RunFolder
from pipeline.target import Overrides, target_of_board
from pipeline.tflite_reader import read_tflite

Widths = tuple[int, ...]


class Toy:
    """Networks that are tuples of channel numbers, as kernels for fours of channels cost.

    Attributes:
        worth: by how much a layer's last channel lowers the accuracy that it has to give.
        per_product: instructions of a multiply-accumulate of every layer.
    """

    def __init__(self, worth: tuple[float, ...], per_product: tuple[float, ...]) -> None:
        self.worth, self.per_product = worth, per_product
        self.looked_up = 0

    def cuts(self, network: Widths) -> list[list[Cut]]:
        return [
            [Cut("channels", (str(i),), width, kept) for kept in range(width - 1, 0, -1)]
            for i, width in enumerate(network)
        ]

    def cut(self, network: Widths, cut: Cut) -> Widths:
        place = int(cut.layers[0])
        return (*network[:place], cut.after, *network[place + 1 :])

    def cost(self, network: Widths, cut: Cut) -> Cost:
        self.looked_up += 1
        return self.measure(self.cut(network, cut))

    def measure(self, network: Widths) -> Cost:
        read = (1, *network[:-1])
        macs = [64 * i * o for i, o in zip(read, network, strict=True)]
        slower = [1.0 if o % 4 == 0 else 1.3 for o in network]
        products = zip(macs, self.per_product, slower, strict=True)
        instructions = round(sum(math.prod(layer) for layer in products))
        return Cost(instructions, None, sum(network), sum(macs), sum(macs))

    def accuracy(self, network: Widths) -> float:
        return 1 - sum(worth / width for worth, width in zip(self.worth, network, strict=True))

    def tune(self, network: Widths, cut: Cut, step: int) -> Tuned[Widths]:
        smaller = self.cut(network, cut)
        return Tuned(smaller, self.accuracy(smaller), 0.0)

    def start(self, network: Widths) -> Step[Widths]:
        return Step(0, None, 0.0, (), 0, network, self.measure(network), self.accuracy(network))


def searched(toy: Toy, widths: Widths, budget: Budget, share: float = 0.05) -> list[Step[Widths]]:
    start = toy.start(widths)
    steps = shrink(start, budget, lambda at, m: next_step(at, m, budget, share, toy))
    return [start, *steps]


@given(
    worth=st.tuples(*[st.floats(0.001, 0.3)] * 3),
    budget=st.integers(1_500, 30_000),
)
def test_a_toy_search_meets_its_budget_near_the_best_of_all_networks(worth, budget):
    toy, start = Toy(worth, (1.0, 1.0, 1.0)), (16, 16, 16)
    found = searched(toy, start, Budget(instructions=budget))[-1]
    every = itertools.product(range(1, 17), repeat=3)
    best = max(toy.accuracy(w) for w in every if toy.measure(w).instructions <= budget)
    assert found.cost.instructions <= budget
    assert 1 - found.accuracy <= 2.0 * (1 - best)


@given(
    widths=st.tuples(*[st.integers(1, 40)] * 3),
    share=st.floats(0.01, 0.6),
    place=st.integers(0, 2),
)
def test_the_smallest_cut_is_the_one_that_trying_all_of_them_finds(widths, share, place):
    toy = Toy((0.1, 0.1, 0.1), (1.0, 1.0, 1.0))
    limit = (1 - share) * toy.measure(widths).instructions
    cuts = toy.cuts(widths)[place]

    def meets(cut: Cut) -> bool:
        return toy.cost(widths, cut).instructions <= limit

    expected = next((cut for cut in cuts if meets(cut)), None)
    toy.looked_up = 0
    assert smallest_meeting(cuts, meets) == expected
    assert toy.looked_up <= 10


def test_what_is_cut_follows_instructions_and_not_macs():
    # The last layer has most of the multiply-accumulates, and few of the instructions.
    toy = Toy((0.05, 0.05, 0.05), (4.0, 1.0, 0.2))
    steps = searched(toy, (16, 16, 32), Budget(instructions=12_000))
    assert steps[-1].network[2] > steps[-1].network[1]
    compared = compare_macs(steps)
    assert compared.worst is not None
    assert compared.worst.fewer.cost.macs < compared.worst.more.cost.macs
    assert compared.worst.fewer.cost.instructions > compared.worst.more.cost.instructions


def test_the_metric_that_is_over_its_limit_by_the_largest_factor_is_lowered_first():
    toy = Toy((0.1, 0.1, 0.1), (1.0, 1.0, 1.0))
    budget = Budget(instructions=30_000, ram_bytes=20)
    steps = searched(toy, (16, 16, 16), budget)
    assert steps[1].metric == "ram_bytes"
    assert budget.exceeded(steps[-1].cost) is None
    assert steps[-1].cost.ram_bytes <= 20


def test_a_search_that_no_cut_helps_says_where_it_ended():
    toy = Toy((0.1, 0.1, 0.1), (1.0, 1.0, 1.0))
    with pytest.raises(PipelineError, match=r"^search: after step \d+ no cut lowers 2\d\d instr"):
        searched(toy, (4, 4, 4), Budget(instructions=100))


def test_no_cut_may_see_less_than_the_floor():
    toy = Toy((0.1, 0.1, 0.1), (1.0, 1.0, 1.0))
    measure = toy.measure
    toy.measure = lambda network: replace(measure(network), receptive_field=network[0])
    steps = searched(toy, (16, 16, 16), Budget(instructions=9_000, min_receptive_field=15))
    assert steps[-1].network[0] >= 15


def test_rank_correlation_is_the_published_one():
    # Hours of television and IQ, the worked example of Wikipedia's article on Spearman's: -29/165.
    hours = [2, 20, 28, 27, 50, 29, 7, 17, 6, 12]
    iq = [86, 97, 99, 100, 101, 103, 106, 110, 112, 113]
    assert spearman(list(zip(hours, iq, strict=True))) == pytest.approx(-29 / 165)
    assert spearman([(1, 2), (2, 2), (3, 2)]) is None


# --- the table ------------------------------------------------------------------------------------


def two_steps() -> tuple[ProgramStep, ProgramStep]:
    """A convolution, and an operator behind it."""
    one, other, *_ = lower(read_tflite(small_models.two_headed_convnet())).steps
    return one, other


def test_the_table_keeps_first_counts_and_merges_what_others_wrote(tmp_path):
    one, other = two_steps()
    assert layer_key(one) != layer_key(other)
    file = tmp_path / "costs" / "table.json"
    first, second = LayerTable(file), LayerTable(file)
    first.add([one], [LayerCost(100, None)])
    second.add([other], [LayerCost(200, 300)])
    second.add([one], [LayerCost(101, None)])
    again = LayerTable(file)
    assert again.get([one, other], with_cycles=False) == [
        LayerCost(100, None),
        LayerCost(200, 300),
    ]
    assert again.get([one, other], with_cycles=True) is None
    again.add([one], [LayerCost(101, 150)])
    assert again.get([one], with_cycles=True) == [LayerCost(101, 150)]


@pytest.mark.parametrize("content", ["", "[]", '{"a": 1}', '{"a": {"instructions": 1}}'])
def test_a_damaged_table_is_an_empty_one(tmp_path, content):
    file = tmp_path / "table.json"
    file.write_text(content)
    step, _ = two_steps()
    table = LayerTable(file)
    assert table.get([step], with_cycles=False) is None
    table.add([step], [LayerCost(1, None)])
    assert LayerTable(file).get([step], with_cycles=False) == [LayerCost(1, None)]


# --- steps, pages, candidates ---------------------------------------------------------------------


def a_step(number: int, instructions: int, accuracy: float) -> Step[Saved]:
    cost = Cost(instructions, 1.5, 4_000, 9_000, 2 * instructions, 9)
    cut = Cut("channels", ("conv_1", "conv_2"), 8, 8 - number)
    proposals = (Proposal(cut, cost, accuracy, 0.1),) if number else ()
    metric = "instructions" if number else None
    network = Saved(f"steps/{number:03}.keras", "0" * 64)
    return Step(number, metric, 0.0, proposals, 0, network, cost, accuracy)


STEPS = [a_step(i, 100_000 // (i + 1), 0.99 - 0.004 * i) for i in range(9)]


def test_a_step_is_read_as_it_was_written():
    for step in STEPS:
        assert step_of_json(json.loads(json.dumps(step_json(step)))) == step


def test_candidates_are_the_last_step_and_steps_that_none_beats():
    beaten = [*STEPS[:3], replace(STEPS[3], accuracy=0.5), *STEPS[4:]]
    assert [s.number for s in chosen_steps(beaten, "instructions", 0)] == [8]
    assert [s.number for s in chosen_steps(beaten, "instructions", 2)] == [1, 4, 8]
    assert [s.number for s in chosen_steps(beaten[:1], "instructions", 2)] == [0]


def test_pages_tell_the_steps_and_that_latency_is_estimated(tmp_path):
    board = boards.board("nano33ble_sim")
    state = SearchState("digits", board, Budget(latency_ms=0.5), tuple(STEPS))
    write_pages(state, RunFolder(tmp_path))
    written = json.loads((tmp_path / "search.json").read_text())
    assert written == json.loads(json.dumps(search_json(state)))
    assert written["latency"] == "estimated"
    assert [step["cost"]["instructions"] for step in written["steps"]][:2] == [100_000, 50_000]
    page = (tmp_path / "search.html").read_text()
    assert "milliseconds are estimated" in page
    assert "conv_1 ... conv_2 8 -&gt; 7 channels" in page


# --- refusals -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("board", "budget", "message"),
    [
        ("nano33ble_sim", Budget(), "search: give a budget"),
        ("host", Budget(instructions=1), "search: host counts no instructions"),
        ("nano33ble", Budget(instructions=1), "search: nano33ble counts no instructions"),
    ],
)
def test_a_board_that_cannot_count_is_refused(board, budget, message):
    with pytest.raises(UsageError, match=f"^{message}"):
        require_countable(target_of_board(Overrides(board=board)), budget)


def test_latency_without_an_estimate_is_refused():
    target = target_of_board(Overrides(board="nano33ble_sim"))
    target = replace(target, board=replace(target.board, estimate=None))
    with pytest.raises(UsageError, match="nobody has an estimate of latency for nano33ble_sim"):
        require_countable(target, Budget(latency_ms=1.0))


@pytest.mark.parametrize(
    ("addition", "options", "message"),
    [
        ("", [], "search: give a budget: --max-instructions or --max-latency-ms"),
        ("", ["--max-instructions", 9, "--max-latency-ms", 1], "not both"),
        ('[[compression]]\ntechnique = "prune_channels"', ["--max-instructions", 9], "take the"),
        ('[quantization]\nmode = "16x8"', ["--max-instructions", 9], "does not compute"),
        ('[board]\nruntime = "tflm"', ["--max-instructions", 9], "costs are of the aot runtime"),
        ("[search]\nstep = 0", ["--max-instructions", 9], "[search] step must be"),
    ],
)
def test_a_search_that_makes_no_sense_is_one_line(
    monkeypatch, tmp_path, capsys, addition, options, message
):
    spec = '[model]\nname = "conv_mnist"\n[data]\nname = "synthetic_digits"\n'
    (tmp_path / "spec.toml").write_text(spec + addition)
    assert run(monkeypatch, tmp_path, "search", "spec.toml", *options) != 0
    error = capsys.readouterr().err.strip().splitlines()
    assert message in error[-1]
    assert error[-1].startswith("Error: ")
    assert not (tmp_path / "runs").exists()
