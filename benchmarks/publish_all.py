"""Publishes every model with seeded weights, verifies the folder, and says what it took.

python benchmarks/publish_all.py RESULTS.jsonl [MODEL ...]

One line a model is added to RESULTS.jsonl; models that it already has are skipped, so that the run can
be stopped and continued. Folders are removed after they were verified.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from triport.converters.formats import ArrayTensor, write_checkpoint
from triport.converters.names import name_map, reference_dialect
from triport.parity.subjects.random_weights import random_parameters
from triport.publishing.registered.publish import publish
from triport.publishing.verify import verify
from triport.reference_models.errors import TriportError
from triport.reference_models.spec import ModelSpec, all_models


def main(results: Path, names: list[str]) -> int:
    """Publish and verify what RESULTS does not have yet; 1 if any model failed."""
    lines = results.read_text(encoding="utf-8").splitlines() if results.exists() else []
    done = {line["model"]: line for line in map(json.loads, lines)}
    for name in names or list(all_models()):
        if name not in done:
            done[name] = _result_of(all_models()[name])
            with results.open("a", encoding="utf-8") as file:
                file.write(json.dumps(done[name]) + "\n")
            print(json.dumps(done[name]), flush=True)
    good = [line for line in done.values() if line["passed"]]
    not_run = [line for line in good if set(line["checks"].values()) != {"passed"}]
    print(f"{len(good)} of {len(done)} published and verified, {len(not_run)} of them not in every runtime")
    return 0 if len(good) == len(done) else 1


def _result_of(spec: ModelSpec) -> dict[str, object]:
    names = name_map(spec, reference_dialect(spec, "pytorch"))
    tensors = {names[name]: ArrayTensor(array) for name, array in random_parameters(spec).items()}
    with tempfile.TemporaryDirectory() as folder:
        source, output = Path(folder) / "source.pth", Path(folder) / "published"
        write_checkpoint(source, "pytorch", tensors)
        start = time.monotonic()
        try:
            made = publish(source, output, model=spec.name, license="apache-2.0")
        except TriportError as error:
            return {"model": spec.name, "passed": False, "error": str(error)}
        published_s = time.monotonic() - start
        done = verify(output, digest=made.digest)
        return {
            "model": spec.name,
            "passed": done.passed,
            "checks": {check.name: check.status for check in done.checks},
            "furthest": max(pair["max_rel"] for pair in made.manifest["parity"]["pairs"]),
            "publish_s": round(published_s, 1),
            "verify_s": round(time.monotonic() - start - published_s, 1),
        }


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
