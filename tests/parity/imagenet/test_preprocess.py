import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from triport.parity.imagenet.preprocess import (
    ImageError,
    ProfileError,
    preprocess,
    preprocess_file,
)
from triport.parity.imagenet.resize_opencv import resize_bicubic, resize_bilinear
from triport.reference_models.spec import IMAGENET_MEAN, IMAGENET_STD, Preprocess

PHOTOS = sorted((Path(__file__).parents[3] / "examples" / "photos").glob("val/*/*.JPEG"))
PIL_224 = Preprocess(256, 224, "bilinear", IMAGENET_MEAN, IMAGENET_STD, "pil")
MINDSPORE_224 = replace(PIL_224, library="mindspore")


def _noise(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize("path", PHOTOS[:4], ids=lambda path: path.name)
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize(("resize_px", "crop_px"), [(256, 224), (297, 260)])
def test_equals_a_direct_computation(path, interpolation, resize_px, crop_px):
    image = Image.open(path).convert("RGB")
    width, height = image.size
    if width < height:
        size = (resize_px, int(resize_px * height / width))
    else:
        size = (int(resize_px * width / height), resize_px)
    resized = image.resize(size, getattr(Image.Resampling, interpolation.upper()))
    left, top = (round((n - crop_px) / 2) for n in size)
    cut = np.asarray(resized.crop((left, top, left + crop_px, top + crop_px)))
    expected = cut.transpose(2, 0, 1).astype(np.float32) / np.float32(255)
    expected -= np.array(IMAGENET_MEAN, np.float32)[:, None, None]
    expected /= np.array(IMAGENET_STD, np.float32)[:, None, None]
    profile = replace(PIL_224, resize_px=resize_px, crop_px=crop_px, interpolation=interpolation)
    found = preprocess_file(path, profile)
    assert found.dtype == np.float32 and found.flags.c_contiguous
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("mode", ["L", "RGBA", "CMYK", "P"])
def test_other_colours_become_rgb(mode, tmp_path):
    path = tmp_path / ("image.jpg" if mode in ("L", "CMYK") else "image.png")
    Image.fromarray(_noise(300, 280)).convert(mode).save(path)
    expected = preprocess(Image.open(path).convert("RGB"), PIL_224)
    np.testing.assert_array_equal(preprocess_file(path, PIL_224), expected)


@pytest.mark.parametrize(
    "damage",
    [lambda data: data[: len(data) // 2], lambda data: b"", lambda data: b"no image" * 100],
    ids=["truncated", "empty", "other"],
)
def test_unreadable_image_is_named(damage, tmp_path):
    path = tmp_path / "broken.JPEG"
    path.write_bytes(damage(PHOTOS[0].read_bytes()))
    with pytest.raises(ImageError, match=r"broken\.JPEG: not a readable image") as raised:
        preprocess_file(path, PIL_224)
    assert " object at " not in str(raised.value)


@pytest.mark.parametrize(
    ("height", "width", "new_height", "new_width"),
    [(375, 500, 256, 341), (500, 300, 426, 256), (64, 96, 32, 48), (64, 50, 32, 24), (57, 33, 100, 100)],
)
def test_opencv_resize_gives_mindspore_bytes(height, width, new_height, new_width):
    from mindspore.dataset import vision

    pixels = _noise(height, width)
    expected = vision.Resize((new_height, new_width), vision.Inter.LINEAR)(pixels)
    np.testing.assert_array_equal(resize_bilinear(pixels, new_width, new_height), expected)


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize(
    "source",
    [(300, 401), (433, 300), (256, 259), (511, 640), *PHOTOS[::9]],
    ids=lambda s: getattr(s, "name", s),
)
def test_mindspore_profile_is_mindspore_pipeline(source, interpolation):
    """Decoded, resized, cut and normalised by MindSpore's operators: at most one grey level off."""
    from mindspore.dataset import transforms, vision

    if isinstance(source, Path):
        pixels = vision.Decode()(np.fromfile(source, np.uint8))
        image = Image.open(source).convert("RGB")
        np.testing.assert_array_equal(pixels, np.asarray(image))
    else:
        pixels = _noise(*source)
        image = Image.fromarray(pixels)
    mean, std = ([255 * value for value in values] for values in (IMAGENET_MEAN, IMAGENET_STD))
    pipeline = transforms.Compose(
        [
            vision.Resize(
                256, {"bilinear": vision.Inter.LINEAR, "bicubic": vision.Inter.BICUBIC}[interpolation]
            ),
            vision.CenterCrop(224),
            vision.Normalize(mean, std),
            vision.HWC2CHW(),
        ]
    )
    expected = np.asarray(pipeline(pixels))
    found = preprocess(image, replace(MINDSPORE_224, interpolation=interpolation))
    grey_levels = np.abs(found - expected) * np.array(std, np.float32)[:, None, None]
    assert grey_levels.max() < 1.001
    # bilinear: never; bicubic: its rows are added in single precision, in an order of its own
    assert (grey_levels > 0.5).mean() <= {"bilinear": 0, "bicubic": 1e-3}[interpolation]


OPENCV = np.load(Path(__file__).parents[2] / "data" / "opencv_resize.npz")


@pytest.mark.parametrize("case", [name for name in OPENCV.files if name.startswith("resize")])
def test_resize_gives_opencv_bytes(case):
    """What OpenCV computed (tests/opencv_facts.py): the same bytes, but for Intel's IPP in its x86 wheels."""
    _, interpolation, ipp, height, width, new_height, new_width = case.split("-")
    resize = {"bilinear": resize_bilinear, "bicubic": resize_bicubic}[interpolation]
    found = resize(_noise(int(height), int(width)), int(new_width), int(new_height)).astype(int)
    difference = np.abs(found - OPENCV[case])
    if interpolation == "bilinear" or ipp == "plain":
        assert difference.max() == 0
    else:
        assert difference.max() <= 1 and (difference > 0).mean() < 0.06


@pytest.mark.parametrize("photo", [name for name in OPENCV.files if name.startswith("photo")])
def test_opencv_profile_is_opencv_pipeline(photo):
    path = next(path for path in PHOTOS if path.name == photo.removeprefix("photo-"))
    plain = replace(PIL_224, library="opencv", mean=(0.0, 0.0, 0.0), std=(1 / 255,) * 3)
    found = np.rint(preprocess_file(path, plain)).astype(np.uint8).transpose(1, 2, 0)
    assert hashlib.sha256(found.tobytes()).digest() == OPENCV[photo].tobytes()


def test_channels_in_the_other_order():
    image = Image.fromarray(_noise(300, 300))
    plain = replace(PIL_224, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
    np.testing.assert_array_equal(
        preprocess(image, replace(plain, channels="bgr")), preprocess(image, plain)[::-1]
    )


def test_the_libraries_differ():
    image = Image.open(PHOTOS[0]).convert("RGB")
    difference = np.abs(preprocess(image, PIL_224) - preprocess(image, MINDSPORE_224))
    assert difference.max() > 0.1


def test_crop_larger_than_the_resized_image():
    with pytest.raises(ProfileError, match="224 px square cannot be cut from a short side of 200"):
        preprocess(Image.new("RGB", (300, 300)), replace(PIL_224, resize_px=200))
