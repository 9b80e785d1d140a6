"""The command line under real hands."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import onnx
import pytest
from click.testing import CliRunner

from tests.converters.checkpoints import dialect_of, named_arrays, write_arrays, write_random
from triport.cli import main
from triport.converters.convert import SHIPPED
from triport.reference_models.spec import get_model

ROOT = Path(__file__).parents[2]
SPEC = get_model("res2net_digits")


@pytest.fixture
def checkpoint(tmp_path):
    return write_random(tmp_path / "digits.pth", SPEC, dialect_of(SPEC, "timm"))


@pytest.fixture
def model(checkpoint, run_cli):
    """The same as ONNX with its tensors in a file of their own, which is called like a checkpoint."""
    whole = checkpoint.with_name("whole.onnx")
    assert run_cli("convert", checkpoint, "--to", "onnx", "-o", whole).exit_code == 0
    path = checkpoint.with_name("model.onnx")
    onnx.save(onnx.load(whole), path, save_as_external_data=True, location="weights.pth", size_threshold=1024)
    return path


def started(*arguments, cwd=ROOT):
    command = [sys.executable, str(ROOT / "cli.py"), *map(str, arguments)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=cwd,
        env=environment,
        # what is started by a job in the background begins with the signal ignored
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


@pytest.mark.slow
@pytest.mark.field(
    case="Ctrl-C at any moment",
    source="MindSpore 2.10 aborts the interpreter when its loading is cut off (3 of 5 tries)",
    outcome="Exit code 130 and one line; never SIGABRT, never 1, which means not equal.",
)
@pytest.mark.parametrize("delay_s", [0.3, 0.7, 1.0, 1.3, 1.6, 2.0, 2.5, 3.0])
def test_ctrl_c_ends_with_130(delay_s, tmp_path):
    process = started("parity", "res2net50", "--json", tmp_path / "parity.json")
    time.sleep(delay_s)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Interrupted" in errors
    assert "Traceback" not in errors
    assert not list(tmp_path.iterdir())


@pytest.mark.field(
    case="Ctrl-C while MindSpore loads",
    source="MindSpore 2.10 aborts the interpreter when its loading is cut off (3 of 5 tries)",
    outcome="The loading ends first, then the exit code is 130.",
)
def test_ctrl_c_waits_until_a_framework_is_loaded(monkeypatch):
    from triport.converters.environment import uninterrupted

    # a test run in the background of a shell begins with the signal ignored
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    finished = []
    with pytest.raises(KeyboardInterrupt), uninterrupted():
        os.kill(os.getpid(), signal.SIGINT)
        finished.append(True)
    assert finished == [True]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    signal.signal(signal.SIGINT, before)


@pytest.mark.field(
    case="Ctrl-C while MindSpore compiles a graph",
    source="MindSpore 2.10 catches SIGINT there, and sends SIGTERM to its own process",
    outcome="Exit code 130 as at any moment; without MindSpore, SIGTERM ends a process as it ends any.",
)
@pytest.mark.parametrize(("loaded", "code"), [(True, 130), (False, -signal.SIGTERM)])
def test_ctrl_c_while_mindspore_compiles(loaded, code):
    script = f"""
import os, signal, sys, time
sys.modules.update({{"mindspore": None}} if {loaded} else {{}})
from triport import cli
def compiles():
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(5)
cli.main.callback = compiles
sys.argv = ["cli.py", "models"]
cli.run()
"""
    process = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert process.returncode == code
    assert "Interrupted" in process.stderr


@pytest.mark.field(
    case="SIGTERM, as a scheduler or `kill` sends it, while temporary files are there",
    source="found by an adversary: it left triport-* folders in the temporary folder, with the weights",
    outcome="They are removed, and the process is ended by the signal.",
)
def test_sigterm_leaves_nothing(tmp_path):
    script = """
import os, signal, tempfile, time
from triport import cli
from triport.reference_models.scratch import scratch_folder
def works():
    scratch_folder()
    with tempfile.TemporaryDirectory(prefix="triport-"):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(5)
cli.main.callback = works
import sys
sys.argv = ["cli.py", "models"]
cli.run()
"""
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    process = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env=environment, capture_output=True, timeout=60
    )
    assert process.returncode == -signal.SIGTERM
    assert not list(tmp_path.iterdir())


@pytest.mark.field(
    case="a reader that closes its end",
    source="every command piped into `| head`",
    outcome="No failure and no message; the exit code is the command's own.",
)
@pytest.mark.parametrize(
    "arguments", [("models",), ("inspect", "examples/digits/res2net_digits.ckpt", "--stats")]
)
def test_a_reader_that_goes_away_is_no_failure(arguments):
    process = started(*arguments)
    process.stdout.close()
    errors = process.stderr.read()
    assert process.wait(timeout=60) == 0
    assert errors == ""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has it")
@pytest.mark.field(
    case="standard output on a full disk",
    source="`> FILE` where no space is left",
    outcome="Exit code 2 and the reason.",
)
def test_a_full_disk_behind_a_redirection_is_said():
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "cli.py", "models"], stdout=full, stderr=subprocess.PIPE, text=True, cwd=ROOT
        )
    assert done.returncode == 2
    assert "No space left on device" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.field(
    case="a report that is written over its subject",
    source="found by an adversary: `inspect a.pth --json a.pth` destroyed the checkpoint",
    outcome="Refused before any work; the input stays as it was.",
)
@pytest.mark.parametrize(
    "words",
    [
        ("inspect", "{0}", "--json", "{0}"),
        ("inspect", "{0}", "{0}", "--json", "{0}"),
        ("convert", "{0}", "--to", "mindspore", "-o", "{1}/o.ckpt", "--json", "{0}"),
        ("convert", "{0}", "--to", "pytorch", "-o", "{0}"),
        ("parity", "{0}", "--html", "{0}"),
        ("parity", "{0}", "--junit", "{0}"),
        ("parity", "res2net_digits", "--weights", "{0}", "--json", "{0}"),
        ("evaluate", "{0}", "--data", "{1}", "--rows", "{0}"),
        ("evaluate", "{0}", "--data", "{1}", "--html", "{1}/link"),
        (
            "publish",
            "a",
            "--model",
            "b",
            "--license",
            "mit",
            "-o",
            "c",
            "--accuracy",
            "x={0}",
            "--json",
            "{0}",
        ),
    ],
    ids=" ".join,
)
def test_an_output_is_never_an_input(words, checkpoint, run_cli):
    (checkpoint.parent / "link").symlink_to(checkpoint)
    before = checkpoint.read_bytes()
    result = run_cli(*(word.format(checkpoint, checkpoint.parent) for word in words))
    assert result.exit_code == 2
    assert "source itself" in result.stderr or "is the input" in result.stderr
    assert checkpoint.read_bytes() == before
    assert not list(checkpoint.parent.glob("*.ckpt"))


@pytest.mark.field(
    case="an output that is the model's external data",
    source="found by an adversary: `convert model.onnx -o weights.pth` destroyed the model's own data file",
    outcome="Refused before any work, for weights and for reports.",
)
@pytest.mark.parametrize(
    "option", [("--to", "pytorch", "-o"), ("--to", "mindspore", "-o", "o.ckpt", "--json")]
)
def test_an_output_is_no_part_of_an_input(option, model, run_cli, monkeypatch):
    monkeypatch.chdir(model.parent)
    data = model.with_name("weights.pth")
    before = data.read_bytes()
    result = run_cli("convert", model, *option, data)
    assert result.exit_code == 2
    assert "would be lost" in result.stderr
    assert data.read_bytes() == before


@pytest.mark.field(
    case="one path for two outputs",
    source="found by an adversary: `convert --json o.ckpt -o o.ckpt` left the JSON",
    outcome="Refused, and both options are named.",
)
def test_two_outputs_are_two_files(checkpoint, run_cli):
    path = checkpoint.with_name("o.ckpt")
    result = run_cli("convert", checkpoint, "--to", "mindspore", "-o", path, "--json", path)
    assert result.exit_code == 2
    assert "--output and --json" in result.stderr
    assert not path.exists()


@pytest.mark.field(
    case="a report into a folder that is not there",
    source="`parity --all --json missing/report.json` fails after an hour",
    outcome="Refused before the work begins.",
)
@pytest.mark.parametrize("option", ["--json", "--html", "--junit"])
def test_outputs_are_looked_at_before_the_work(option, tmp_path, run_cli, monkeypatch):
    begun = []
    monkeypatch.setattr("triport.parity.subjects.asked.subjects_of", lambda *_, **__: begun.append(True))
    result = run_cli("parity", "res2net50", option, tmp_path / "missing" / "report")
    assert result.exit_code == 2
    assert "does not exist; make it first" in result.stderr
    assert not begun


@pytest.mark.field(
    case="a default output over somebody's file",
    source="found by an adversary: `convert x.onnx --to pytorch` replaced the training checkpoint x.pth",
    outcome="Refused unless the user names the output.",
)
def test_a_default_output_replaces_nothing(checkpoint, run_cli, monkeypatch, tmp_path):
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    monkeypatch.chdir(folder)
    taken = folder / "digits.ckpt"
    taken.write_bytes(b"the training checkpoint with its optimizer state")
    result = run_cli("convert", checkpoint, "--to", "mindspore")
    assert result.exit_code == 2
    assert "-o digits.ckpt" in result.stderr
    assert taken.read_bytes().startswith(b"the training")
    assert run_cli("convert", checkpoint, "--to", "mindspore", "-o", "digits.ckpt").exit_code == 0
    assert taken.stat().st_size > 100_000


@pytest.mark.field(
    case="the same conversion twice",
    source="`python cli.py convert --from mindspore --to onnx`, typed again",
    outcome="The file that the same source made before is replaced.",
)
def test_a_default_output_replaces_its_own_elder(run_cli, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        assert run_cli("convert", "--from", "mindspore", "--to", "onnx").exit_code == 0


@pytest.mark.field(
    case="a private output",
    source="found by an adversary: an output of mode 600 that was replaced became readable by all",
    outcome="The new file has the old one's mode.",
)
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664])
def test_a_replaced_output_keeps_its_mode(mode, checkpoint, run_cli):
    output, report = checkpoint.with_name("o.ckpt"), checkpoint.with_name("o.json")
    for path in (output, report):
        path.touch()
        path.chmod(mode)
    assert run_cli("convert", checkpoint, "--to", "mindspore", "-o", output, "--json", report).exit_code == 0
    assert [path.stat().st_mode & 0o777 for path in (output, report)] == [mode, mode]


def broken(name):
    def spoil(folder):
        arrays = named_arrays(SPEC, dialect_of(SPEC, "timm"))
        if name == "NaN":
            arrays["fc.bias"] = np.full_like(arrays["fc.bias"], np.nan)
        elif name == "unknown":
            arrays["another.weight"] = arrays.pop("fc.bias")
        elif name == "untrained":
            for key, array in arrays.items():
                if key.startswith("bn1."):
                    arrays[key] = np.full_like(array, key.endswith(("weight", "running_var")))
        return write_arrays(folder / "in.pth", "pytorch", arrays)

    return spoil


@pytest.mark.field(
    case="inspect in a script",
    source="a pipeline that asks whether a checkpoint is fit for use",
    outcome="--strict ends with exit code 1 on NaN, untrained or unknown weights, and 0 on sound ones.",
)
@pytest.mark.parametrize(("kind", "code"), [("sound", 0), ("NaN", 1), ("unknown", 1), ("untrained", 1)])
def test_inspect_is_strict_when_asked(kind, code, tmp_path, run_cli):
    path = broken(kind)(tmp_path)
    assert run_cli("inspect", path).exit_code == 0
    assert run_cli("inspect", path, "--strict").exit_code == code


@pytest.mark.field(
    case="a fault of triport's own",
    source="a KeyError in a converter was called a fault of the user's layer",
    outcome="Said to be a bug of triport with its place, exit code 2; the traceback with --debug.",
)
@pytest.mark.parametrize("debug", [False, True])
def test_an_own_fault_says_so(debug, run_cli, monkeypatch):
    def fails(*_):
        raise KeyError("conv1")

    monkeypatch.setattr("triport.reference_models.tables.summary", fails)
    result = run_cli(*(["--debug"] if debug else []), "models", "--json", "-")
    assert result.exit_code == 2
    assert "this is a bug of triport, not a fault of your input: KeyError: 'conv1'" in result.stderr
    assert "--debug" in result.stderr
    assert ("Traceback" in result.stderr) is debug


@pytest.mark.field(
    case="control characters and endless names in an error",
    source="found by an adversary: names in a file that move the cursor or fill the screen",
    outcome="Escaped, and cut to a length that a person can read.",
)
def test_an_error_is_printable_and_short(run_cli, tmp_path):
    result = run_cli("inspect", tmp_path / "\x1b]0;title\x07\u202e" / ("n" * 20_000))
    assert result.exit_code == 2
    assert all(character.isprintable() or character == "\n" for character in result.stderr)
    assert len(result.stderr) < 10_000


@pytest.mark.field(
    case="what is it doing?",
    source="long runs in logs, where no spinner shows",
    outcome="-v logs every step with its time on stderr, and stdout stays as it was.",
)
def test_verbose_logs_every_step(checkpoint):
    process = started(
        "convert", checkpoint, "--to", "mindspore", "-o", checkpoint.with_name("o.ckpt"), "-v", "--json", "-"
    )
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "triport: reading digits.pth" in errors
    assert "triport: writing o.ckpt" in errors
    assert output.startswith("{")


@pytest.mark.field(
    case="a graph's default output over somebody's file",
    source="the same kind: `convert model.mindir --to onnx` where model.onnx is there",
    outcome="Refused before the graph is read, unless the user names the output.",
)
@pytest.mark.parametrize("words", [("model.mindir",), ("--cell", "nowhere:model", "--input", "1x3x8x8")])
def test_a_graphs_default_output_replaces_nothing(words, run_cli, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    Path("model.mindir").write_bytes(b"")
    Path("model.onnx").write_bytes(b"somebody's")
    result = run_cli("convert", *words, "--to", "onnx")
    assert result.exit_code == 2
    assert "-o model.onnx" in result.stderr
    assert Path("model.onnx").read_bytes() == b"somebody's"


def shell(line, cwd=ROOT):
    return subprocess.run(["sh", "-c", line], cwd=cwd, capture_output=True, text=True, check=False)


@pytest.mark.field(
    case="standard streams that are closed",
    source="found by trying: `>&-` in cron jobs and daemons",
    outcome="The work is done, and no file gets a stream's number, so that nothing is printed into it.",
)
@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", "<&- >&- 2>&-"])
def test_closed_streams(closed, checkpoint, tmp_path):
    command = f"'{sys.executable}' cli.py"
    whole, again = tmp_path / "whole.ckpt", tmp_path / "again.ckpt"
    assert shell(f"{command} convert '{checkpoint}' --to mindspore -o '{whole}'").returncode == 0
    done = shell(f"{command} convert '{checkpoint}' --to mindspore -o '{again}' {closed}")
    assert (done.returncode, "Traceback" in done.stderr) == (0, False)
    assert again.read_bytes() == whole.read_bytes()
    refused = shell(f"{command} inspect '{tmp_path}/missing.pth' {closed}")
    assert refused.returncode == 2 and "bug of triport" not in refused.stderr


@pytest.mark.field(
    case="control characters in the name of a file",
    source="found by trying: a file called x, escape, [31m, y",
    outcome="What is printed of it, in results as in errors, has them escaped.",
)
@pytest.mark.parametrize("command", ["inspect", "convert"])
def test_control_characters_in_a_name(command, checkpoint, tmp_path, run_cli):
    path = checkpoint.rename(tmp_path / "x\x1b[31m\ty\x9b2J.pth")
    more = ["--to", "mindspore", "-o", tmp_path / "z\x1b[2J.ckpt"] if command == "convert" else []
    done = run_cli(command, path, *more)
    assert done.exit_code == 0
    assert "\x1b" not in done.output and "\x9b" not in done.output and r"x\x1b[31m" in done.output


@pytest.mark.field(
    case="an output that is a folder, or has no ending",
    source="found by trying: convert x.pth --to mindspore -o converted/",
    outcome="The message says that it is a folder, or which endings there are.",
)
@pytest.mark.parametrize(
    ("name", "words"), [("", "is a folder; name the file in it"), ("x", "without an ending")]
)
def test_an_output_without_a_file_name(name, words, checkpoint, tmp_path, run_cli):
    refused = run_cli("convert", checkpoint, "--to", "mindspore", "-o", tmp_path / name)
    assert refused.exit_code == 2 and words in refused.stderr and "*;" not in refused.stderr


@pytest.mark.field(
    case="a pipe in the place of a file",
    source="found by trying: inspect <(cat x.pth)",
    outcome="Refused, and the message says how standard input is read.",
)
def test_a_pipe_as_a_file(tmp_path, run_cli):
    os.mkfifo(tmp_path / "pipe")
    refused = run_cli("inspect", tmp_path / "pipe")
    assert refused.exit_code == 2 and "say - and send it to standard input" in refused.stderr


@pytest.mark.field(
    case="the folder in which the command runs is gone",
    source="found by trying: a scratch folder that a scheduler removed",
    outcome="Said, with exit code 2.",
)
def test_a_folder_that_is_gone(checkpoint, tmp_path, run_cli, monkeypatch):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    refused = run_cli("convert", checkpoint, "--to", "mindspore")
    assert refused.exit_code == 2 and "no longer there" in refused.stderr


@pytest.mark.field(
    case="a report over an image that is scored",
    source="found by trying: evaluate --json data/val/0/a.png",
    outcome="Refused before the work begins, and the image stays; a report of an earlier run is replaced.",
)
def test_a_report_over_an_image(checkpoint, tmp_path, run_cli):
    image = tmp_path / "data" / "val" / "0" / "a.png"
    image.parent.mkdir(parents=True)
    image.write_bytes(b"an image")
    refused = run_cli("evaluate", checkpoint, "--data", tmp_path / "data", "--html", image)
    assert refused.exit_code == 2 and "would be lost" in refused.stderr
    assert image.read_bytes() == b"an image"


@pytest.mark.field(
    case="a dash as the name of an output",
    source="found by trying: evaluate --rows - left a file called -",
    outcome="Refused where the option does not write to standard output.",
)
@pytest.mark.parametrize("option", ["--rows", "--html"])
def test_a_dash_as_an_output(option, checkpoint, tmp_path, run_cli, monkeypatch):
    (tmp_path / "data").mkdir()
    monkeypatch.chdir(tmp_path)
    refused = run_cli("evaluate", checkpoint, "--data", "data", option, "-")
    assert refused.exit_code == 2 and "does not write to standard output" in refused.stderr
    assert not (tmp_path / "-").exists()


@pytest.mark.field(
    case="a file's name with a line break, whose second line looks like a result",
    source="found by trying: the output said what the name of the file said",
    outcome="The name is on one line wherever it is printed, in messages too.",
)
@pytest.mark.parametrize("command", ["inspect", "convert", "an error"])
def test_a_line_break_in_a_name(tmp_path, run_cli, command):
    name = "a.ckpt\n  round trip  bit-equal"
    path = tmp_path / name
    path.write_bytes(SHIPPED.read_bytes()[: 9999 if command == "an error" else None])
    output = ("--to", "mindspore", "-o", tmp_path / "out.ckpt") if command == "convert" else ()
    done = run_cli("convert" if command == "convert" else "inspect", path, *output)
    printed = done.stderr if command == "an error" else done.stdout
    assert "a.ckpt\\n  round trip" in printed and name not in printed


@pytest.mark.field(
    case="standard input that ends too early",
    source="found by trying: the message named a temporary file that was gone",
    outcome="The message says standard input, and what is wrong with it.",
)
def test_truncated_standard_input():
    done = CliRunner().invoke(main, ["inspect", "-"], input=SHIPPED.read_bytes()[:9999])
    assert done.exit_code == 2
    assert done.output.startswith("Error: standard input: ") and "truncated" in done.output
