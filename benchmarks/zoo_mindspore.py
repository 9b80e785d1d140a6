"""MindCV's models to ONNX: MindSpore's two exporters and triport's, side by side.

One model per family and all ResNet-like ones, each stage in a process of its own, because a second
ONNX export of MindSpore's in a process fails. Weights are seeded; 224 px unless the model needs
another size. Each file is run in ONNX Runtime and compared with MindSpore in graph mode, relative
to the largest output, and judged as `convert` does; "own noise" is how far a 1e-7 relative change
of the input moves MindSpore's output. The times are those of one image batch of two on one thread,
the least of several rounds in which our file and MindSpore's take turns.

    pip install --no-deps --target out/mindcv mindcv==0.3.0 tqdm PyYAML Pillow
    python benchmarks/zoo_mindspore.py --mindcv out/mindcv [--work FOLDER] [--only ours] [MODEL ...]

Without --mindcv the installed one is taken; apart from triport it does not share its pins. With
--work the stages' results are kept there and not made again: the run can be stopped and goes on
where it was. Delete the folder of a model that should be made again.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.zoo_report import MAKERS, describe, describe_timing, make_document, summarise
from triport.parity.graphs import judge, runs, verdicts
from triport.parity.judge.difference import difference
from triport.parity.judge.noise import STEP, noises_of
from triport.parity.judge.tolerance import DRAWS, FLOAT32

SEED = 0
BATCH_SIZE = 2
GAINS = (1.0, 0.5, 0.25)  # of the norms' scales: the first with which the net is not chaotic
MAX_NOISE = 1e-5
STAGES = ("reference", *MAKERS, "timing")
ROUNDS = 15  # of timing

# family: the models tried
RESNET_LIKE = {
    "resnet": "resnet18 resnet34 resnet50 resnet101 resnet152",
    "resnext": "resnext50_32x4d resnext101_32x4d resnext101_64x4d resnext152_64x4d",
    "resnetv2": "resnetv2_50 resnetv2_101",
    "res2net": "res2net50 res2net101 res2net152 res2net50_v1b res2net101_v1b res2net152_v1b",
    "resnest": "resnest14 resnest26 resnest50 resnest101 resnest200 resnest269",
    "senet": "seresnet18 seresnet34 seresnet50 seresnet101 seresnet152 seresnext26_32x4d "
    "seresnext50_32x4d seresnext101_32x4d senet154",
    "sknet": "skresnet18 skresnet34 skresnet50 skresnext50_32x4d",
    "bit": "BiT_resnet50 BiT_resnet101",
    "regnet": "regnet_x_800mf regnet_y_400mf",
}
ONE_EACH = (
    "cait_xxs24_224 cmt_tiny coat_lite_tiny coat_tiny convit_tiny convnext_tiny convnextv2_atto "
    "crossvit_9 densenet121 dpn92 edgenext_xx_small efficientnet_b0 efficientnet_v2_s ghostnet_050 googlenet "
    "halonet_50t hrnet_w32 inception_v3 inception_v4 mae_b_16_224_finetune mixnet_s "
    "mlp_mixer_s_p32 mnasnet_050 mobilenet_v1_025 mobilenet_v2_035_224 mobilenet_v3_small_075 "
    "mobilevit_xx_small nasnet_a_4x1056 pit_ti pnasnet poolformer_s12 pvt_tiny pvt_v2_b0 repmlp_t224 "
    "repvgg_a0 rexnet_09 shufflenet_v1_g3_05 shufflenet_v2_x0_5 squeezenet1_0 swin_tiny swinv2_tiny_window8 "
    "vgg11 visformer_tiny visformer_tiny_v2 vit_b_32_224 volo_d1 xception xcit_tiny_12_p16_224"
)
MODELS = [*ONE_EACH.split(), *(name for names in RESNET_LIKE.values() for name in names.split())]
SIZES_PX = {
    "cmt_tiny": 160,
    "crossvit_9": 240,
    "halonet_50t": 256,
    "inception_v3": 299,
    "inception_v4": 299,
    "mobilevit_xx_small": 256,
    "pnasnet": 331,
    "swinv2_tiny_window8": 256,
    "xception": 299,
}


def build(name: str, gain: float = 1.0) -> Any:
    """Return MindCV's model with seeded weights; norms scale by half to one and a half times `gain`."""
    import mindspore
    from mindcv import create_model

    mindspore.set_seed(SEED)
    net = create_model(name, pretrained=False).set_train(False)
    randomise(net, 1.0)
    if gain != 1:
        randomise(net, gain)
    return net


def randomise(net: Any, gain: float) -> None:
    """Fill statistics, scales, biases and zero-initialised weights, so that no mistake cancels out."""
    import mindspore
    import numpy as np

    generator = np.random.default_rng(SEED)
    for parameter in net.get_parameters():
        if parameter.dtype != mindspore.float32:
            continue
        if parameter.name.endswith(("gamma", "variance")):
            values = generator.uniform(0.5, 1.5, parameter.shape)
            values *= gain if parameter.name.endswith("gamma") else 1
        elif parameter.ndim <= 1:
            values = generator.normal(size=parameter.shape) * 0.1
        elif np.ptp(parameter.asnumpy()) == 0:
            values = generator.normal(size=parameter.shape) * 0.02
        else:
            continue
        parameter.set_data(mindspore.Tensor(values.astype(np.float32)))


def make_input(name: str) -> Any:
    """Return the batch (N, 3, H, W) float32 on which all are compared."""
    import numpy as np

    size = SIZES_PX.get(name, 224)
    return np.random.default_rng(SEED + 1).normal(size=(BATCH_SIZE, 3, size, size)).astype(np.float32)


def run_moved(net: Any) -> judge.RunMoved:
    """Return how a Cell runs with inputs and parameters a rounding off."""
    return lambda inputs, step, seed: runs.run_cell_moved(net, inputs, (), step, seed)


def make_reference(name: str, folder: Path) -> dict[str, Any]:
    """Write the model's MindIR and MindSpore's own outputs."""
    import mindspore
    import numpy as np

    from triport.converters.mindir.export import mindir_bytes_from_cell

    net, x = build(name), make_input(name)
    mindspore.set_context(mode=mindspore.GRAPH_MODE)
    for gain in GAINS:
        if gain != 1:
            randomise(net, gain)
        outputs = runs.run_cell(net, [x])
        draws = [outputs, *(run_moved(net)([x], STEP, seed) for seed in range(DRAWS))]
        noise = max(one.size for one in noises_of(draws))
        if noise <= MAX_NOISE:
            break
    np.savez(folder / "reference.npz", *outputs)
    start = time.perf_counter()
    (folder / "model.mindir").write_bytes(mindir_bytes_from_cell(net, x.shape))
    return {"mindir_seconds": time.perf_counter() - start, "noise": noise, "gain": gain}


def export_ours(name: str, folder: Path) -> dict[str, Any]:
    """Convert the MindIR, the batch axis free if it can be."""
    from triport.converters.mindir.errors import BurntBatchError
    from triport.converters.mindir.export import onnx_from_mindir

    free, start = True, time.perf_counter()
    try:
        model = onnx_from_mindir(folder / "model.mindir")
    except BurntBatchError:
        free, model = False, onnx_from_mindir(folder / "model.mindir", free_batch=False)
    seconds = time.perf_counter() - start
    import onnx

    path = folder / "ours.onnx"
    onnx.save(model, path)
    onnx.checker.check_model(str(path), full_check=True)
    return {"free_batch": free, "seconds": seconds, **judge_file(name, folder, path, repeat_first=free)}


def export_theirs(name: str, folder: Path, stage: str) -> dict[str, Any]:
    """Let one of MindSpore's exporters try."""
    import mindspore

    net, x = build(name, read_gain(folder)), make_input(name)
    path, start = folder / f"{stage}.onnx", time.perf_counter()
    if stage == "export":
        mindspore.export(net, mindspore.Tensor(x), file_name=str(path), file_format="ONNX")
    else:
        import mindspore.onnx

        mindspore.onnx.export(net, mindspore.Tensor(x), file_name=str(path))
    return {"seconds": time.perf_counter() - start, **judge_file(name, folder, path)}


def read_gain(folder: Path) -> float:
    """Return what the reference's norms were scaled by."""
    return json.loads((folder / "reference.json").read_text())["gain"]


def open_session(path: Path) -> Any:
    """Open a file in ONNX Runtime as it is, on one thread."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def judge_file(name: str, folder: Path, path: Path, repeat_first: bool = False) -> dict[str, Any]:
    """Compare an ONNX file with the reference; with `repeat_first`, on a batch of another size too."""
    import numpy as np
    import onnx

    x = make_input(name)
    with np.load(folder / "reference.npz") as stored:
        references = [stored[key] for key in stored]
    session = open_session(path)
    given = session.get_inputs()[0].name
    outputs = session.run(None, {given: x})
    assert len(outputs) == len(references), f"{len(outputs)} outputs, expected {len(references)}"
    error = max(map(difference, outputs, references))
    if repeat_first:
        larger = session.run(None, {given: np.concatenate([x, x[:1]])})
        repeated = [np.concatenate([array, array[:1]]) for array in references]
        error = max(error, *map(difference, larger, repeated))
    verdict = verdicts.EQUAL
    found: dict[str, Any] = {"error": error}
    model = onnx.load(path, load_external_data=False)
    if error > FLOAT32.least:
        net = build(name, read_gain(folder))
        one = judge.GraphJudge(
            path,
            model,
            lambda inputs: runs.run_cell(net, inputs),
            run_moved(net),
            lambda inputs: runs.run_onnx(session, inputs),
        )
        judged = one.judge([x], outputs, references)
        verdict = judged.verdict
        found |= {"plain_error": judged.plain_error, "noise": judged.noise, "level": judged.level}
    graph = model.graph
    nodes = sum(node.op_type != "Constant" for node in graph.node)
    return {**found, "verdict": verdict, "nodes": nodes}


def time_files(name: str, folder: Path) -> dict[str, Any]:
    """Run our file and MindSpore's in turns, as many rounds as there are, and return the least times."""
    paths = {stage: folder / f"{stage}.onnx" for stage in MAKERS}
    theirs = next((stage for stage in MAKERS[1:] if paths[stage].exists()), None)
    if theirs is None or not paths["ours"].exists():
        return {}
    x = make_input(name)
    sessions = {stage: open_session(paths[stage]) for stage in ("ours", theirs)}
    feeds = {stage: {session.get_inputs()[0].name: x} for stage, session in sessions.items()}
    times: dict[str, list[float]] = {stage: [] for stage in sessions}
    for number in range(ROUNDS + 1):
        for stage in sorted(sessions, reverse=bool(number % 2)):
            start = time.perf_counter()
            sessions[stage].run(None, feeds[stage])
            times[stage].append(time.perf_counter() - start)
    return {("ours" if stage == "ours" else "theirs"): min(values[1:]) for stage, values in times.items()}


def run_stage(stage: str, name: str, folder: Path, mindcv: Path | None) -> None:
    """Run one stage in this process and write what it found."""
    if mindcv:
        sys.path.append(str(mindcv.resolve()))
    from triport.converters import environment

    environment.prepare()
    try:
        if stage == "reference":
            found = make_reference(name, folder)
        elif stage == "ours":
            found = export_ours(name, folder)
        elif stage == "timing":
            found = time_files(name, folder)
        else:
            found = export_theirs(name, folder, stage)
    except Exception as error:
        lines = [line for line in str(error).strip().splitlines() if line.strip()]
        found = {"failed": f"{type(error).__name__}: {' | '.join(lines[:6])}"[:1500]}
    (folder / f"{stage}.json").write_text(json.dumps(found))


def measure(
    name: str, folder: Path, stages: list[str], mindcv: Path | None, timeout: float
) -> dict[str, Any]:
    """Run the stages that have no result yet, each in a process of its own; none without time."""
    folder.mkdir(parents=True, exist_ok=True)
    found: dict[str, Any] = {}
    for stage in stages:
        result = folder / f"{stage}.json"
        if not result.exists() and timeout:
            command = [sys.executable, __file__, "--stage", stage, "--work", str(folder), name]
            command += ["--mindcv", str(mindcv)] if mindcv else []
            with contextlib.suppress(subprocess.TimeoutExpired), Path(os.devnull).open("w") as nowhere:
                subprocess.run(command, stdout=nowhere, stderr=nowhere, timeout=timeout, check=False)
        if result.exists() or timeout:
            missing = {"failed": "died or timed out"}
            found[stage] = json.loads(result.read_text()) if result.exists() else missing
        if stage == "reference" and "failed" in found.get(stage, {}):
            break
    if timeout and all((folder / f"{stage}.json").exists() for stage in STAGES):
        for path in (*folder.glob("*.onnx"), *folder.glob("*.mindir")):
            path.unlink()
    return found


def main() -> None:
    """Parse the command line, run everything and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("models", nargs="*", metavar="MODEL")
    parser.add_argument("--mindcv", type=Path, help="where MindCV was installed to; default: beside triport")
    parser.add_argument("--work", type=Path, help="keep the stages' results in this folder")
    parser.add_argument("--only", action="append", choices=STAGES, help="besides the reference")
    parser.add_argument("--timeout", type=float, default=900, help="seconds for one stage")
    parser.add_argument("--json", type=Path, dest="json_path", help="write all results to this file")
    parser.add_argument("--markdown", type=Path, help="write the table as a page to this file")
    parser.add_argument("--note", default="", help="what the page should say of the run")
    parser.add_argument("--no-run", action="store_true", help="only report what --work holds")
    parser.add_argument("--stage", choices=STAGES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.stage:
        run_stage(options.stage, options.models[0], options.work, options.mindcv)
        return
    stages = ["reference", *(stage for stage in STAGES[1:] if not options.only or stage in options.only)]
    print(f"{'model':24} {'own noise':9}", end="")
    print("".join(f"  {f'{stage}: verdict error nodes':26}" for stage in MAKERS), "  ms ours, theirs, ratio")
    results = {}
    timeout = 0 if options.no_run else options.timeout
    with tempfile.TemporaryDirectory(prefix="triport-zoo-") as scratch:
        for name in options.models or MODELS:
            folder = (options.work or Path(scratch)) / name
            found = results[name] = measure(name, folder, stages, options.mindcv, timeout)
            if "reference" not in found:
                del results[name]
                continue
            reference = found["reference"]
            if "failed" in reference:
                print(f"{name:24} no MINDIR: {reference['failed'][:150]}", flush=True)
                continue
            cells = "".join(f"  {describe(found.get(stage)):26}" for stage in MAKERS)
            batch = "" if found.get("ours", {}).get("free_batch", True) else "  fixed batch"
            timing = describe_timing(found.get("timing"))
            print(f"{name:24} {reference['noise']:9.1e}{cells}  {timing}{batch}", flush=True)
            for stage in stages[1:]:
                if "failed" in found.get(stage, {}):
                    print(f"    {stage}: {found[stage]['failed'][:300]}", flush=True)
    print("\n" + "\n".join(summarise(results)))
    if options.markdown:
        options.markdown.write_text(make_document(results, options.note), encoding="utf-8")
    if options.json_path:
        options.json_path.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
