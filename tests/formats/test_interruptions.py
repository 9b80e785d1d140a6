"""`convert` killed at any moment, or on a disk that fills up: the old file or the new one, never a part."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.converters.checkpoints import dialect_of, write_random
from triport.converters.formats import file_sha256, open_checkpoint
from triport.reference_models.spec import get_model

ROOT = Path(__file__).parents[2]
KILLS = 200
TARGETS = {".pth": "pytorch", ".safetensors": "pytorch", ".ckpt": "mindspore"}


def command(source: Path, output: Path) -> list[str]:
    options = ["--model", "resnet18", "--to", TARGETS[output.suffix], "-o", str(output)]
    return [sys.executable, str(ROOT / "cli.py"), "convert", str(source), *options]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ResNet-18 of 47 MB, so that most of a conversion's time is writing and comparing."""
    spec = get_model("resnet18")
    path = tmp_path_factory.mktemp("source") / "x.ckpt"
    return write_random(path, spec, dialect_of(spec, "mindcv"))


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("suffix", TARGETS)
def test_kill_9_leaves_the_old_file_or_the_new(tmp_path: Path, source: Path, suffix: str) -> None:
    """A third of 200 kills for each format, spread over the whole run; half of them over an old file."""
    output = tmp_path / f"x{suffix}"
    start = time.monotonic()
    subprocess.run(command(source, output), check=True, capture_output=True)
    whole_s = time.monotonic() - start
    complete = file_sha256(output)
    chooser = random.Random(suffix)
    seen = {"nothing": 0, "old": 0, "new": 0}
    partial = 0
    for number in range(-(-KILLS // len(TARGETS))):
        output.unlink(missing_ok=True)
        if number % 2:
            output.write_bytes(b"the old one")
        with subprocess.Popen(command(source, output), stdout=subprocess.DEVNULL) as process:
            time.sleep(chooser.uniform(0, 1.1 * whole_s))
            process.kill()
        if not output.exists():
            assert number % 2 == 0
            seen["nothing"] += 1
        elif output.read_bytes()[:11] == b"the old one":
            assert number % 2
            seen["old"] += 1
        else:
            assert file_sha256(output) == complete
            seen["new"] += 1
        for left in tmp_path.glob(".x*.tmp"):  # hidden, and never taken for the output
            partial += 1
            left.unlink()
        assert {path.name for path in tmp_path.iterdir()} <= {output.name}
    # the kills must have met all phases, or the test shows nothing
    assert min(seen.values()) > 0 and partial > 0, (seen, partial)


def on_a_small_disk(folder: Path, size: str, script: str) -> subprocess.CompletedProcess[str]:
    """Run a shell script in a mount namespace of its own where `folder` is a tmpfs of that size."""
    unshare = shutil.which("unshare")
    probe = [unshare or "false", "-rm", "mount", "-t", "tmpfs", "tmpfs", str(folder)]
    if subprocess.run(probe, capture_output=True, check=False).returncode:
        pytest.skip("this machine lets no user mount a tmpfs of his own")
    mount = f'mount -t tmpfs -o size={size} tmpfs "{folder}" && cd "{folder}" && '
    return subprocess.run(
        [str(unshare), "-rm", "sh", "-c", mount + script], capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("suffix", TARGETS)
def test_a_disk_that_is_really_full(tmp_path: Path, source: Path, suffix: str) -> None:
    (tmp_path / "disk").mkdir()
    output = tmp_path / "disk" / f"x{suffix}"
    convert = " ".join(f'"{part}"' for part in command(source, output))
    done = on_a_small_disk(
        output.parent, "20m", f'printf old > "{output}"; {convert}; echo "exit $?"; cat "{output}"; ls -A'
    )
    assert "exit 2\nold" in done.stdout, done.stderr
    assert done.stdout.rstrip().endswith(output.name)
    assert done.stdout.count("\n") == 2 or ".tmp" not in done.stdout
    assert "the disk is full; nothing was written there" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_disk_that_is_just_large_enough(tmp_path: Path, source: Path) -> None:
    """So that the test above fails for want of room and of nothing else."""
    (tmp_path / "disk").mkdir()
    output = tmp_path / "disk" / "x.pth"
    convert = " ".join(f'"{part}"' for part in command(source, output))
    copy = tmp_path / "copy.pth"
    done = on_a_small_disk(output.parent, "60m", f'{convert} && cp "{output}" "{copy}"')
    assert done.returncode == 0, done.stderr
    assert len(open_checkpoint(copy).tensors) == 102
