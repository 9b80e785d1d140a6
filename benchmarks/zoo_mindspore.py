"""MindCV's models to ONNX: MindSpore's two exporters and triport's, side by side.

One model per family and all ResNet-like ones, each stage in a process of its own, because a second
ONNX export of MindSpore's in a process fails. Weights are seeded; 224 px unless the model needs
another size. Each file is run in ONNX Runtime and compared with MindSpore in graph mode, relative
to the largest output; "own noise" is how far a 1e-7 relative change of the input moves MindSpore's
output. Install MindCV apart from triport, whose pins it does not share, and say where:

    pip install --no-deps --target out/mindcv mindcv==0.3.0 tqdm PyYAML Pillow
    python benchmarks/zoo_mindspore.py --mindcv out/mindcv [--work FOLDER] [--only ours] [MODEL ...]

With --work the stages' results are kept there and not made again: delete what should be.
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

SEED = 0
BATCH_SIZE = 2
TOLERANCE = 5e-6
GAINS = (1.0, 0.5, 0.25)  # of the norms' scales: the first with which the net is not chaotic
MAX_NOISE = 1e-5
STAGES = ("reference", "ours", "export", "onnx.export")

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


def make_reference(name: str, folder: Path) -> dict[str, Any]:
    """Write the model's MindIR and MindSpore's own outputs."""
    import mindspore
    import numpy as np

    from converters.mindir.export import mindir_bytes_from_cell

    net, x = build(name), make_input(name)
    mindspore.set_context(mode=mindspore.GRAPH_MODE)
    for gain in GAINS:
        if gain != 1:
            randomise(net, gain)
        outputs, *moved = (flatten(net(mindspore.Tensor(batch))) for batch in (x, *changed(x)))
        noise = max(max(map(largest_difference, result, outputs)) for result in moved)
        if noise <= MAX_NOISE:
            break
    np.savez(folder / "reference.npz", *outputs)
    start = time.perf_counter()
    (folder / "model.mindir").write_bytes(mindir_bytes_from_cell(net, x.shape))
    return {"mindir_seconds": time.perf_counter() - start, "noise": noise, "gain": gain}


def changed(x: Any) -> list[Any]:
    """Return the input, changed three times by 1e-7 of itself, up or down."""
    import numpy as np

    signs = [np.random.default_rng(SEED + seed).choice([-1, 1], x.shape) for seed in (2, 3, 4)]
    return [(x * (1 + 1e-7 * sign)).astype(np.float32) for sign in signs]


def flatten(result: Any) -> list[Any]:
    """Return all tensors of a result as arrays."""
    if isinstance(result, tuple | list):
        return [array for item in result for array in flatten(item)]
    return [result.asnumpy()]


def largest_difference(found: Any, reference: Any) -> float:
    """Return max|found - reference| / max|reference|."""
    import numpy as np

    return float(np.abs(found.astype(np.float64) - reference).max() / max(np.abs(reference).max(), 1e-30))


def export_ours(name: str, folder: Path) -> dict[str, Any]:
    """Convert the MindIR, the batch axis free if it can be."""
    from converters.mindir.emit import BurntBatchError
    from converters.mindir.export import onnx_from_mindir

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
    return {"free_batch": free, "seconds": seconds, **run_onnx(name, folder, path, repeat_first=free)}


def export_theirs(name: str, folder: Path, stage: str) -> dict[str, Any]:
    """Let one of MindSpore's exporters try."""
    import mindspore

    gain = json.loads((folder / "reference.json").read_text()).get("gain", 1.0)
    net, x = build(name, gain), make_input(name)
    path, start = folder / f"{stage}.onnx", time.perf_counter()
    if stage == "export":
        mindspore.export(net, mindspore.Tensor(x), file_name=str(path), file_format="ONNX")
    else:
        import mindspore.onnx

        mindspore.onnx.export(net, mindspore.Tensor(x), file_name=str(path))
    return {"seconds": time.perf_counter() - start, **run_onnx(name, folder, path)}


def run_onnx(name: str, folder: Path, path: Path, repeat_first: bool = False) -> dict[str, Any]:
    """Compare an ONNX file with the reference; with `repeat_first`, on a batch of another size."""
    import numpy as np
    import onnx
    import onnxruntime

    def open_session(optimize: bool) -> Any:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        options.intra_op_num_threads = 1
        if not optimize:
            options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    x = make_input(name)
    with np.load(folder / "reference.npz") as stored:
        references = [stored[key] for key in stored]

    def measure_error(session: Any) -> float:
        batch, expected = x, references
        if repeat_first:
            batch = np.concatenate([x, x[:1]])
            expected = [np.concatenate([array, array[:1]]) for array in references]
        outputs = session.run(None, {session.get_inputs()[0].name: batch})
        assert len(outputs) == len(expected), f"{len(outputs)} outputs, expected {len(expected)}"
        return max(map(largest_difference, outputs, expected))

    session = open_session(optimize=True)
    found = {"error": measure_error(session)}
    feed = {session.get_inputs()[0].name: x}
    times = []
    for _ in range(5):
        start = time.perf_counter()
        session.run(None, feed)
        times.append(time.perf_counter() - start)
    if found["error"] > TOLERANCE:
        # the optimiser adds noise of its own to an ill-conditioned net
        plain = open_session(optimize=False)
        found["plain_error"] = measure_error(plain)
        results = [plain.run(None, {session.get_inputs()[0].name: batch}) for batch in (x, *changed(x))]
        found["noise"] = max(
            largest_difference(moved, first)
            for result in results[1:]
            for moved, first in zip(result, results[0], strict=True)
        )
    graph = onnx.load(path, load_external_data=False).graph
    path.unlink()
    return {
        **found,
        "nodes": sum(node.op_type != "Constant" for node in graph.node),
        "run_seconds": min(times),
    }


def run_stage(stage: str, name: str, folder: Path, mindcv: Path) -> None:
    """Run one stage in this process and write what it found."""
    sys.path.append(str(mindcv))
    from converters import environment

    environment.prepare()
    try:
        if stage == "reference":
            found = make_reference(name, folder)
        elif stage == "ours":
            found = export_ours(name, folder)
        else:
            found = export_theirs(name, folder, stage)
    except Exception as error:
        lines = [line for line in str(error).strip().splitlines() if line.strip()]
        found = {"failed": f"{type(error).__name__}: {' | '.join(lines[:6])}"[:1500]}
    (folder / f"{stage}.json").write_text(json.dumps(found))


def measure(name: str, folder: Path, stages: list[str], mindcv: Path, timeout: float) -> dict[str, Any]:
    """Run the stages that have no result yet, each in a process of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    found: dict[str, Any] = {}
    for stage in stages:
        result = folder / f"{stage}.json"
        if not result.exists():
            command = [sys.executable, __file__, "--stage", stage, "--work", str(folder), name]
            with contextlib.suppress(subprocess.TimeoutExpired), Path(os.devnull).open("w") as nowhere:
                subprocess.run(
                    [*command, "--mindcv", str(mindcv)],
                    stdout=nowhere,
                    stderr=nowhere,
                    timeout=timeout,
                    check=False,
                )
        found[stage] = json.loads(result.read_text()) if result.exists() else {"failed": "died or timed out"}
        if stage == "reference" and "failed" in found[stage]:
            break
    return found


def is_right(result: dict[str, Any], reference: dict[str, Any]) -> bool:
    """Return whether a file was made and agrees within the tolerance or the net's own noise.

    The noise is the larger of MindSpore's and ONNX Runtime's; beyond the tolerance, ONNX Runtime's
    optimiser is off.
    """
    if "error" not in result:
        return False
    noise = max(reference["noise"], result.get("noise", 0))
    return result["error"] <= TOLERANCE or result.get("plain_error", result["error"]) <= noise


def describe(result: dict[str, Any] | None, reference: dict[str, Any]) -> str:
    """Return a cell of the table."""
    if result is None:
        return "-"
    if "failed" in result:
        return "FAILED"
    verdict = "right" if result["error"] <= TOLERANCE else "noise" if is_right(result, reference) else "WRONG"
    return f"{verdict} {result['error']:.1e} {result['nodes']:5d} {1e3 * result['run_seconds']:7.1f}"


def main() -> None:
    """Parse the command line, run everything and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("models", nargs="*", metavar="MODEL")
    parser.add_argument("--mindcv", type=Path, required=True, help="where MindCV was installed to")
    parser.add_argument("--work", type=Path, help="keep the stages' results in this folder")
    parser.add_argument("--only", action="append", choices=STAGES, help="besides the reference")
    parser.add_argument("--timeout", type=float, default=900, help="seconds for one stage")
    parser.add_argument("--stage", choices=STAGES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    mindcv = options.mindcv.resolve()
    if options.stage:
        run_stage(options.stage, options.models[0], options.work, mindcv)
        return
    stages = ["reference", *(stage for stage in STAGES[1:] if not options.only or stage in options.only)]
    heading = "verdict error nodes run ms"
    print(f"{'model':24} {'own noise':9}  " + "  ".join(f"{f'{s}: {heading}':36}" for s in stages[1:]))
    results = {}
    with tempfile.TemporaryDirectory(prefix="triport-zoo-") as scratch:
        for name in options.models or MODELS:
            folder = (options.work or Path(scratch)) / name
            found = results[name] = measure(name, folder, stages, mindcv, options.timeout)
            reference = found["reference"]
            if "failed" in reference:
                print(f"{name:24} no MINDIR: {reference['failed'][:150]}", flush=True)
                continue
            cells = "  ".join(f"{describe(found.get(stage), reference):36}" for stage in stages[1:])
            batch = "" if found.get("ours", {}).get("free_batch", True) else "  fixed batch"
            print(f"{name:24} {reference['noise']:9.1e}  {cells}{batch}", flush=True)
            for stage in stages[1:]:
                if "failed" in found[stage]:
                    print(f"    {stage}: {found[stage]['failed'][:300]}", flush=True)
    exported = [found for found in results.values() if "failed" not in found["reference"]]
    print(f"\n{len(results)} models, {len(exported)} of which export as MINDIR")
    for stage in stages[1:]:
        right = sum(is_right(found[stage], found["reference"]) for found in exported)
        print(f"{stage}: {right} of {len(exported)} right in ONNX Runtime")
    if "export" in stages and "ours" in stages:
        both = [
            found
            for found in exported
            if is_right(found["ours"], found["reference"]) and is_right(found["export"], found["reference"])
        ]
        for what, slack in (("nodes", 1.0), ("run_seconds", 1.05)):
            worse = sum(found["ours"][what] > slack * found["export"][what] for found in both)
            print(f"{what}: ours is worse in {worse} of the {len(both)} that both make")


if __name__ == "__main__":
    main()
