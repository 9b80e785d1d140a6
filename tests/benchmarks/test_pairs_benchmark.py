"""The benchmark of pairs: what other ways reach, the judge beside triport's proof, and the tables."""

import contextlib
import math
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from benchmarks.pairs import stopped
from benchmarks.pairs_list import spelled
from benchmarks.pairs_page import cells, is_wrong, tables, verdict
from benchmarks.pairs_peers import WAYS, NoMapError, by_names, by_order, shapes_of
from benchmarks.pairs_sections import SECTIONS, all_pairs, in_order_of_running
from benchmarks.pairs_truth import judge, seeded_values

PAIRED = {
    "key": ["mindcv", "mindcv:a", "timm:a"],
    "by": "shapes",
    "stage": "paired",
    "inputs": ["2x3x64x64"],
    "parameters": 2_000_000,
    "complete": True,
    "proven": True,
    "equal": True,
    "steps": [],
    "first_parting": None,
    "seconds": 4.2,
    "peak_gb": 1.0,
    "judged": {"verdict": "equal", "error": 3e-7},
    "peers": {way: {"verdict": "not equal", "error": 0.1, "same_map": False} for way in WAYS},
}


def network(swapped=False):
    """Two convolutions that only their order tells apart, defined in either order."""
    net = nn.Module()
    for name in ("second", "first") if swapped else ("first", "second"):
        setattr(net, name, nn.Conv2d(3, 3, 3, padding=1))
    net.forward = lambda x: net.second(torch.relu(net.first(x)))
    return net


def test_names_reach_what_order_gets_wrong():
    shapes = shapes_of(network()), shapes_of(network(swapped=True))
    assert by_names(*shapes) == {name: name for name in shapes[0]}
    assert by_order(*shapes)["first.weight"] == "second.weight"


def test_leaves_of_mindspore_are_known():
    a = {"bn.gamma": (4,), "bn.beta": (4,), "bn.moving_mean": (4,), "bn.moving_variance": (4,)}
    b = {"bn.weight": (4,), "bn.bias": (4,), "bn.running_mean": (4,), "bn.running_var": (4,)}
    assert by_names(a, b)["bn.weight"] == "bn.gamma"
    assert by_order(a, b)["bn.running_var"] == "bn.moving_variance"


@pytest.mark.parametrize("way", [by_names, by_order])
def test_a_tensor_that_is_left_is_no_map(way):
    with pytest.raises(NoMapError, match="tensors"):
        way({"a": (4,), "b": (4,)}, {"a": (4,)})


@pytest.mark.parametrize(("way", "expected"), [(by_names, "equal"), (by_order, "not equal")])
def test_the_judge_tells_a_right_map_from_a_wrong_one(way, expected):
    a, b = network(), network(swapped=True)
    names = way(shapes_of(a), shapes_of(b))
    values = seeded_values(shapes_of(a), 7)
    feed = {"x": np.random.default_rng(0).standard_normal((2, 3, 8, 8)).astype(np.float32)}
    moved = {name: values[one] for name, one in names.items()}
    assert judge(a, b, values, moved, feed)["verdict"] == expected


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({}, "equal"),
        ({"equal": False}, "same weights, another graph"),
        ({"equal": False, "proven": False}, "complete, not proven"),
    ],
)
def test_verdicts(changed, said):
    assert verdict(PAIRED | changed) == said
    assert said in cells(PAIRED | changed)


@pytest.mark.parametrize(
    ("judged", "wrong"),
    [("equal", False), ("not equal", True), ("does not load", True), ("cannot tell", False)],
)
def test_a_map_that_only_triport_believes_is_wrong(judged, wrong):
    assert is_wrong(PAIRED | {"judged": {"verdict": judged, "error": None}}) == wrong


@pytest.mark.parametrize(("mended", "wrong"), [("1", 0), ("2", 1)])
def test_a_map_that_the_mended_pair_contradicts_is_wrong(mended, wrong):
    pair = next(one for one in all_pairs() if one.section == "mended")
    listed = [replace(pair, section="mindcv", mend=""), pair]
    first = PAIRED | {"key": list(listed[0].key), "equal": False, "map": "1"}
    text = tables([first, PAIRED | {"key": list(pair.key), "map": mended}], listed)
    assert f"judge: {wrong}." in text.partition("## PyTorch")[0]


def test_the_table_says_what_has_not_run():
    text = tables([PAIRED], [])
    assert "0 have not run" in text and all(title in text for title in SECTIONS.values())


def test_every_pair_is_listed_once_and_the_order_of_running_loses_none():
    keys = [pair.key for pair in all_pairs()]
    assert len(set(keys)) == len(keys)
    assert sorted(pair.key for pair in in_order_of_running()) == sorted(keys)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("vit_b_16_224", "vit_base_patch16_224"),
        ("mobilenet_v2_035_96", "mobilenetv2_035"),
        ("BiT_resnet50x3", "resnetv2_50x3_bit"),
    ],
)
def test_spellings_of_one_name(ours, theirs):
    assert spelled(ours) == spelled(theirs)


class Worker:
    """A process as `multiprocessing` shows it, without the time that its start takes."""

    def __init__(self, code):
        self.process = subprocess.Popen([sys.executable, "-S", "-c", code])
        self.pid, self.kill = self.process.pid, self.process.kill

    def is_alive(self):
        return self.process.poll() is None

    def join(self, timeout=None):
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout)


@pytest.mark.parametrize(
    ("code", "seconds", "gigabytes", "beyond"),
    [
        ("", 60, math.inf, None),
        ("import time; time.sleep(60)", 0.1, math.inf, "took over 0 s"),
        ("import time; time.sleep(60)", 60, 0.001, "took over 0.001 GB"),
    ],
)
def test_a_pair_that_takes_too_much_is_stopped(code, seconds, gigabytes, beyond):
    worker = Worker(code)
    assert stopped(worker, seconds, gigabytes) == beyond
    assert not worker.is_alive()
