"""Several processes on the CPU give the rows and figures of one."""

import csv
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from triport.parity.device import DeviceError
from triport.parity.ranks.launch import device_of_rank, join, ranks_here
from triport.parity.ranks.rank import Alone

ROOT = Path(__file__).parents[3]
IMAGES = 10_000  # not a multiple of three


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def torchrun(ranks, *arguments):
    return subprocess.run(
        [
            sys.executable,
            "-m",
            "torch.distributed.run",
            f"--nproc-per-node={ranks}",
            f"--master-port={free_port()}",
        ]
        + [str(argument) for argument in arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    path = tmp_path_factory.mktemp("alone") / "rows.csv"
    command = [sys.executable, "-m", "tests.parity.ranks.rank_script", str(IMAGES), str(path)]
    subprocess.run(command, cwd=ROOT, check=True, timeout=300)
    return path


def found_by(path, rank):
    return json.loads(path.with_suffix(f".{rank}.json").read_text())


def check_ranks(path, alone, ranks):
    """Every image once, by one rank; rows, and figures on every rank, as of a single process."""
    assert path.read_bytes() == alone.read_bytes()
    seen = [number for rank in range(ranks) for number in found_by(path, rank)["seen"]]
    assert sorted(seen) == list(range(IMAGES))
    single = found_by(alone, 0)
    for rank in range(ranks):
        shared = found_by(path, rank)
        assert len(shared["seen"]) == pytest.approx(IMAGES / ranks, abs=64)
        assert [shared[k] for k in ("top1", "top5", "images")] == [
            single[k] for k in ("top1", "top5", "images")
        ]


def test_the_single_process_is_right(alone):
    assert found_by(alone, 0)["top1"] == IMAGES - len(range(0, IMAGES, 7))
    with alone.open() as file:
        file.readline()
        assert sum(row["label"] == row["top1"] for row in csv.DictReader(file)) == found_by(alone, 0)["top1"]


@pytest.mark.slow
def test_three_gloo_ranks(alone, tmp_path):
    path = tmp_path / "rows.csv"
    done = torchrun(3, "-m", "tests.parity.ranks.rank_script", IMAGES, path)
    assert done.returncode == 0, done.stderr
    assert found_by(path, 2)["backend"] == "gloo"
    check_ranks(path, alone, 3)


@pytest.mark.slow
def test_ranks_go_on_with_the_rows_of_one_process(alone, tmp_path):
    path = tmp_path / "rows.csv"
    path.write_bytes(alone.read_bytes()[: alone.stat().st_size // 2])
    done = torchrun(2, "-m", "tests.parity.ranks.rank_script", IMAGES, path)
    assert done.returncode == 0, done.stderr
    assert path.read_bytes() == alone.read_bytes()
    assert found_by(path, 1)["top1"] == found_by(alone, 0)["top1"]


@pytest.mark.slow
def test_a_rank_that_fails_stops_all(tmp_path):
    done = torchrun(2, "-m", "tests.parity.ranks.rank_script", 1000, tmp_path / "rows.csv", 300)
    assert done.returncode != 0
    assert "image 300 is bad" in done.stderr
    assert "rank 0 failed: see its message" in done.stderr or "RankError" in done.stderr


@pytest.mark.slow
def test_two_gloo_ranks_of_the_command_line(tmp_path, run_cli):
    """The shipped model: the rows of two ranks are those of one process, to the bit."""
    words = [
        "evaluate",
        "res2net_digits",
        "--data",
        "examples/digits/val",
        "--runtime",
        "pytorch",
        "--limit",
        90,
    ]
    one, two = tmp_path / "one.csv", tmp_path / "two.csv"
    # as many threads as a rank has: threads change the order of sums
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "cli.py", *map(str, words), "--rows", str(one), "--json", "-"]
    single = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, check=True, timeout=300)
    done = torchrun(2, "cli.py", *words, "--rows", two, "--json", "-")
    assert done.returncode == 0, done.stderr
    assert two.read_bytes() == one.read_bytes()
    alone, shared = json.loads(single.stdout), json.loads(done.stdout)
    assert (alone.pop("ranks"), shared.pop("ranks")) == (1, 2)
    for found in (alone, shared):
        assert found.pop("images_per_second") > 0
    assert alone == shared


def msrun(folder, *arguments):
    command = [Path(sys.executable).with_name("msrun"), "--worker_num=2", "--local_worker_num=2"]
    command += [f"--master_port={free_port()}", f"--log_dir={folder / 'log'}", "--join=True", *arguments]
    return subprocess.run(
        [str(word) for word in command],
        cwd=folder,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        },
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.mark.slow
def test_two_msrun_ranks(alone, tmp_path):
    path = tmp_path / "rows.csv"
    done = msrun(tmp_path, ROOT / "tests/parity/ranks/rank_script.py", IMAGES, path)
    assert done.returncode == 0, done.stderr
    assert found_by(path, 1)["backend"] == "mccl"
    check_ranks(path, alone, 2)


@pytest.mark.slow
def test_two_msrun_ranks_of_the_command_line(tmp_path, run_cli):
    """The shipped model in MindSpore, by msrun's scheduler and two workers."""
    words = ["evaluate", "res2net_digits", "--data", ROOT / "examples/digits/val", "--limit", 96]
    assert run_cli(*words, "--rows", tmp_path / "one.csv").exit_code == 0
    done = msrun(tmp_path, ROOT / "cli.py", *words, "--rows", tmp_path / "two.csv")
    assert done.returncode == 0, done.stderr
    assert "in mindspore on cpu on 2 ranks: 96 images" in done.stdout
    assert (tmp_path / "two.csv").read_bytes() == (tmp_path / "one.csv").read_bytes()


@pytest.mark.parametrize(
    ("environment", "here", "cuda"),
    [
        ({}, 1, "cuda"),
        ({"LOCAL_WORLD_SIZE": "2", "LOCAL_RANK": "1"}, 2, "cuda:1"),
        ({"MS_ROLE": "MS_WORKER", "MS_WORKER_NUM": "4", "DEVICE_ID": "3"}, 4, "cuda:3"),
    ],
)
def test_every_rank_has_its_own_device(environment, here, cuda, monkeypatch):
    for name in ("LOCAL_WORLD_SIZE", "LOCAL_RANK", "MS_ROLE", "DEVICE_ID", "TORCHELASTIC_RUN_ID"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert ranks_here() == here
    assert device_of_rank("cuda") == cuda
    assert device_of_rank("cpu") == "cpu"
    if here > 1:
        with pytest.raises(DeviceError, match=f"{here} ranks run here and cannot share cuda:0"):
            device_of_rank("cuda:0")


def test_without_a_launcher_there_is_one(monkeypatch):
    monkeypatch.delenv("MS_ROLE", raising=False)
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    ranks = join("cpu", "pytorch")
    assert isinstance(ranks, Alone) and (ranks.rank, ranks.size) == (0, 1)
