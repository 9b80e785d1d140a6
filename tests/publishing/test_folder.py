"""A folder appears complete or not at all, whatever stops the process."""

import errno
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from triport.converters.convert import SHIPPED
from triport.publishing.folder import FolderError, appearing

ROOT = Path(__file__).parents[2]
# written in pieces, so that a kill meets every moment of it
WRITER = """
import sys, time
from pathlib import Path
from triport.publishing.folder import appearing
print("ready", flush=True)
with appearing(Path(sys.argv[1])) as folder:
    for number in range(20):
        with (folder / f"{number}").open("wb") as file:
            for _ in range(8):
                file.write(b"x" * 4096)
                file.flush()
        time.sleep(0.002)
"""


def test_it_appears_at_the_end_of_the_block(tmp_path):
    with appearing(tmp_path / "out") as folder:
        (folder / "a").write_text("a")
        assert not (tmp_path / "out").exists()
    assert [path.name for path in tmp_path.rglob("*")] == ["out", "a"]


def test_an_exception_leaves_nothing(tmp_path):
    with pytest.raises(KeyboardInterrupt), appearing(tmp_path / "out") as folder:
        (folder / "a").write_text("a")
        raise KeyboardInterrupt
    assert not list(tmp_path.iterdir())


def test_a_full_disk_is_an_error_and_leaves_nothing(tmp_path):
    with pytest.raises(FolderError, match="No space left on device"), appearing(tmp_path / "out") as folder:
        (folder / "a").write_text("a")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", ["file", "folder", "link"])
def test_what_is_there_is_kept(tmp_path, kind):
    target = tmp_path / "out"
    {
        "file": target.touch,
        "folder": target.mkdir,
        "link": lambda: target.symlink_to(tmp_path / "nowhere"),
    }[kind]()
    with pytest.raises(FolderError, match="exists; publish into a new folder"), appearing(target):
        raise AssertionError("the block was entered")
    assert target.is_symlink() or target.exists()


def test_no_folder_to_make_it_in(tmp_path):
    with pytest.raises(FolderError, match="does not exist; make it first"), appearing(tmp_path / "a" / "b"):
        raise AssertionError("the block was entered")


@pytest.mark.parametrize("seed", range(10))
def test_kill_9_leaves_no_folder_or_a_complete_one(tmp_path, seed):
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path / "out")], cwd=ROOT, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None and process.stdout.readline() == b"ready\n"
        time.sleep(random.Random(seed).uniform(0, 0.15))
        process.kill()
    if (tmp_path / "out").exists():
        files = list((tmp_path / "out").iterdir())
        assert len(files) == 20 and all(path.stat().st_size == 8 * 4096 for path in files)
    assert {path.name for path in tmp_path.iterdir() if not path.name.startswith(".out.")} <= {"out"}


@pytest.mark.slow
@pytest.mark.parametrize("part", [0.3, 0.6, 0.8, 0.9, 0.97])
def test_a_killed_publication_leaves_no_folder_or_one_that_verifies(tmp_path, made, part):
    command = [sys.executable, str(ROOT / "cli.py"), "publish", str(SHIPPED), "--model", "res2net_digits"]
    command += ["--license", "apache-2.0", "-o", str(tmp_path / "out")]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        # by what it has done, not by time, which varies with the load
        _wait_for(process, tmp_path, int(part * len(list(made.folder.iterdir()))))
        process.kill()
    if (tmp_path / "out").exists():
        from triport.publishing.verify import verify

        assert verify(tmp_path / "out", digest=made.digest, runtimes=()).passed
    assert {path.name for path in tmp_path.iterdir() if not path.name.startswith(".out.")} <= {"out"}


def _wait_for(process, folder, files):
    """Return when the temporary folder has so many files, or the process has ended."""
    while process.poll() is None:
        if any(len(list(found.iterdir())) >= files for found in folder.glob(".out.*")):
            return
        time.sleep(0.005)
