"""Images: what a library makes of a file."""

import hashlib
import io
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.odd_images import MAKERS, REFUSED
from triport.parity.imagenet.preprocess import ImageError, decode, preprocess, preprocess_file
from triport.parity.imagenet.resize_pillow import resize_part
from triport.reference_models.spec import Preprocess

ROOT = Path(__file__).parents[2]
OPENCV = np.load(ROOT / "tests" / "data" / "opencv_reading.npz")
PLAIN = Preprocess(256, 224, "bilinear", (0.0, 0.0, 0.0), (1 / 255,) * 3, "pil")


def check_same_or_refused(name, data, library, theirs):
    """The pixels that the library gives, or an error that names the file."""
    if name in REFUSED[library]:
        with pytest.raises(ImageError, match=name):
            decode(data, name, library)
    else:
        np.testing.assert_array_equal(np.asarray(decode(data, name, library)), theirs)


@pytest.mark.field(
    case="odd image files, profile opencv",
    source="opencv/opencv#6348, opencv/opencv#7780, opencv/opencv#25274",
    outcome="The pixels of cv2.imread (turned by EXIF, high bytes of 16 bits), or refused by name.",
)
@pytest.mark.parametrize("name", MAKERS)
def test_opencv_profile_reads_as_imread(name):
    data = OPENCV[f"file-{name}"].tobytes()
    if name in REFUSED["opencv"]:
        with pytest.raises(ImageError, match=name):
            decode(data, name, "opencv")
        return
    pixels = np.asarray(decode(data, name, "opencv"))
    assert hashlib.sha256(pixels.tobytes()).digest() == OPENCV[f"read-{name}"].tobytes()


@pytest.mark.field(
    case="odd image files, profile mindspore",
    source="mindspore-lab/mindcv (its pipeline decodes with vision.Decode)",
    outcome="The pixels of MindSpore's Decode, or the file is refused by its name.",
)
@pytest.mark.parametrize("name", MAKERS)
def test_mindspore_profile_reads_as_decode(name):
    from mindspore.dataset import vision

    data = MAKERS[name]()
    theirs = None
    if name not in REFUSED["mindspore"]:
        theirs = np.asarray(vision.Decode()(np.frombuffer(data, np.uint8)))
    check_same_or_refused(name, data, "mindspore", theirs)


@pytest.mark.field(
    case="odd image files, profile pil",
    source="python-pillow/Pillow#2574, python-pillow/Pillow#3011, pytorch/vision#6538",
    outcome="The pixels of Image.open(file).convert('RGB'), also where 16-bit grey becomes white.",
)
@pytest.mark.filterwarnings("ignore:Palette images with Transparency")
@pytest.mark.parametrize("name", MAKERS)
def test_pil_profile_reads_as_torchvision(name):
    data = MAKERS[name]()
    theirs = None
    if name not in REFUSED["pil"]:
        with Image.open(io.BytesIO(data)) as image:
            theirs = np.asarray(image.convert("RGB"))
    check_same_or_refused(name, data, "pil", theirs)


@pytest.mark.field(
    case="sizes that MindSpore rounds in single precision",
    source="mindspore-lab/mindcv (inception_v4 resizes to 341)",
    outcome="The resized image is as long as MindSpore's, one pixel less than exact for some sizes.",
)
@pytest.mark.parametrize("resize_px", [341, 299, 333])
def test_mindspore_rounds_the_long_side_in_single_precision(resize_px):
    """All sizes up to 1,200 for which the exact result is another, in both directions."""
    from mindspore.dataset import vision

    resize = vision.Resize(resize_px, vision.Inter.LINEAR)
    short, long = np.meshgrid(np.arange(100, 700), np.arange(100, 1200), indexing="ij")
    single = (long.astype(np.float32) / short.astype(np.float32)) * np.float32(resize_px)
    differing = np.argwhere((single.astype(np.int64) != resize_px * long // short) & (long > short))
    assert len(differing) > 5
    for row, column in differing[:: max(1, len(differing) // 12)]:
        height, width = 100 + int(row), 100 + int(column)
        assert resize(np.zeros((height, width, 3), np.uint8)).shape[1] == int(single[row, column])
        assert resize(np.zeros((width, height, 3), np.uint8)).shape[0] == int(single[row, column])


@pytest.mark.field(
    case="an image of such a size, cut to the crop",
    source="mindspore-lab/mindcv (inception_v4 resizes to 341)",
    outcome="The crop is MindSpore's to the byte.",
)
@pytest.mark.parametrize("size", [(520, 110), (572, 121), (110, 630)])
def test_mindspore_crop_of_a_size_that_is_rounded(size):
    from mindspore.dataset import transforms, vision

    pixels = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3)).astype(np.uint8)
    theirs = transforms.Compose([vision.Resize(341, vision.Inter.LINEAR), vision.CenterCrop(299)])(pixels)
    profile = replace(PLAIN, resize_px=341, crop_px=299, library="mindspore")
    ours = np.rint(preprocess(Image.fromarray(pixels), profile)).astype(np.uint8)
    np.testing.assert_array_equal(ours.transpose(1, 2, 0), theirs)


THIN = """
import resource, sys
from pathlib import Path
from triport.parity.imagenet.preprocess import preprocess_file
from triport.reference_models.spec import Preprocess
resource.setrlimit(resource.RLIMIT_AS, (2_000_000_000, 2_000_000_000))
library, interpolation = sys.argv[2:]
profile = Preprocess(256, 224, interpolation, (0.0,) * 3, (1 / 255,) * 3, library)
print(preprocess_file(Path(sys.argv[1]), profile).shape)
"""


@pytest.mark.field(
    case="an image of 1 x 60,000 pixels",
    source="pbs/its#144, DepthAnything/Depth-Anything-V2#256",
    outcome="It is resized only where the crop is: less than 2 GB of address space, in any library's way.",
)
@pytest.mark.parametrize("library", ["pil", "mindspore", "opencv"])
@pytest.mark.parametrize(("size", "interpolation"), [((1, 60_000), "bilinear"), ((60_000, 1), "bicubic")])
def test_thin_images_need_little_memory(library, size, interpolation, tmp_path):
    path = tmp_path / "thin.png"
    Image.new("RGB", size, (1, 2, 3)).save(path)
    done = subprocess.run(
        [sys.executable, "-c", THIN, path, library, interpolation],
        cwd=ROOT,
        env={"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == "(3, 224, 224)", done.stderr


@pytest.mark.field(
    case="a part of a resized image",
    source="python-pillow/Pillow (resize with box= rounds otherwise)",
    outcome="It is the same bytes as Pillow's whole result.",
)
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize(
    ("size", "new_size"),
    [((3, 700), (64, 14_933)), ((41, 17), (300, 900)), ((1, 5), (7, 50)), ((64, 64), (64, 65))],
)
def test_a_part_is_that_of_the_whole(size, new_size, interpolation):
    pixels = np.random.default_rng(1).integers(0, 256, (size[1], size[0], 3)).astype(np.uint8)
    whole = Image.fromarray(pixels).resize(new_size, Image.Resampling[interpolation.upper()])
    left, top = new_size[0] // 5, new_size[1] // 3
    part = (left, top, min(left + 90, new_size[0]), min(top + 90, new_size[1]))
    np.testing.assert_array_equal(
        resize_part(pixels, new_size, part, interpolation), np.asarray(whole.crop(part))
    )


@pytest.mark.field(
    case="thin images of other sizes",
    source="pbs/its#144, DepthAnything/Depth-Anything-V2#256",
    outcome="The pil profile gives torchvision's values, whichever way it takes.",
)
@pytest.mark.parametrize("size", [(2, 700), (900, 3)])
def test_thin_images_are_torchvisions(size, monkeypatch, tmp_path):
    path = tmp_path / "thin.png"
    Image.fromarray(np.random.default_rng(2).integers(0, 256, (size[1], size[0], 3)).astype(np.uint8)).save(
        path
    )
    monkeypatch.setattr("triport.parity.imagenet.preprocess._MOST_PX", 1 << 40)
    whole = preprocess_file(path, PLAIN)
    monkeypatch.setattr("triport.parity.imagenet.preprocess._MOST_PX", 1)
    np.testing.assert_array_equal(preprocess_file(path, PLAIN), whole)
