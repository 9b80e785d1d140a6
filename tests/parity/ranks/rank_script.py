"""What each rank of a test runs: a fake model on images that are numbers, or one that fails.

python -m torch.distributed.run --nproc-per-node 3 -m tests.parity.ranks.rank_script IMAGES ROWS [FAILING]
"""

import json
import sys
from pathlib import Path

import numpy as np

from triport.parity.imagenet import batches
from triport.parity.imagenet import rows as rows_of
from triport.parity.imagenet.dataset import Image, ImageDataset, Sample
from triport.parity.imagenet.decoding import DecodedBatch
from triport.parity.imagenet.evaluate import evaluate
from triport.parity.imagenet.rows import RowFile
from triport.parity.ranks.launch import join
from triport.reference_models.errors import TriportError
from triport.reference_models.spec import Preprocess

PROFILE = Preprocess(8, 8, "bilinear", (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), "pil")
CLASSES, BATCH = 10, 64


def content_of(sample):
    return sample.image.name.encode()


def numbered(groups, profiles, workers):
    """Batches without decoding: the input of image i is i."""
    for position, samples in groups:
        numbers = np.arange(position, position + len(samples))
        digests = np.array([list(rows_of.digest_of(content_of(sample))) for sample in samples], np.uint8)
        yield DecodedBatch(
            position, samples, digests, {PROFILE: numbers.astype(np.float32)[:, None, None, None]}
        )


class Numbers:
    """Right on all images but every seventh; remembers what it has seen."""

    runtime = "fake"
    device = "cpu"

    def __init__(self, failing):
        self.seen = []
        self.failing = failing

    def run(self, feed):
        numbers = feed["input"][:, 0, 0, 0].astype(np.int64)
        self.seen += numbers.tolist()
        if self.failing is not None and self.failing in self.seen:
            raise TriportError(f"image {self.failing} is bad")
        guess = (numbers * 13 + (numbers % 7 == 0)) % CLASSES
        logits = np.sin(numbers[:, None] * 0.37 + np.arange(CLASSES))
        logits[np.arange(len(numbers)), guess] += 3
        return {"logits": logits.astype(np.float32)}

    def versions(self):
        return {}


def main():
    images, path = int(sys.argv[1]), Path(sys.argv[2])
    failing = int(sys.argv[3]) if len(sys.argv) > 3 else None
    ranks = join("cpu", "pytorch")
    samples = tuple(Sample(Image(Path("x"), f"{i:05d}"), i * 13 % CLASSES) for i in range(images))
    dataset = ImageDataset(Path(), samples, tuple("0123456789"))
    batches.decoded = numbered
    rows_of.read_sample = content_of
    runner = Numbers(failing)
    rows = None
    if ranks.rank == 0:
        rows = RowFile(path, {}, dataset, contenders=1, batch_size=BATCH, resume=True)
    result = evaluate(runner, "numbers", dataset, PROFILE, batch_size=BATCH, ranks=ranks, rows=rows)
    if rows is not None:
        rows.close()
    path.with_suffix(f".{ranks.rank}.json").write_text(
        json.dumps(
            {
                "seen": runner.seen,
                "top1": result.top1_count,
                "top5": result.top5_count,
                "images": result.images,
                "backend": ranks.backend,
            }
        )
    )
    ranks.close()


if __name__ == "__main__":
    main()
