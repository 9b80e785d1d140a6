"""Images become the batch that the publisher of the weights would make of them."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from triport.parity.imagenet.preprocess import preprocess_file
from triport.parity.images import ImagesError, image_batch, images_of, profile_of_subject
from triport.reference_models.spec import get_model

SPEC = get_model("efficientnet_lite0")
PROFILE = SPEC.weights[0].preprocess


@pytest.fixture
def folder(tmp_path):
    random = np.random.default_rng(0)
    for name in ("b.png", "a/c.jpg", "a/a.JPEG"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(random.integers(0, 256, (60, 80, 3), np.uint8)).save(path)
    (tmp_path / "a" / "notes.txt").write_text("no image")
    return tmp_path


def test_the_first_images_by_path(folder):
    assert [path.name for path in images_of(folder, 3)] == ["a.JPEG", "c.jpg", "b.png"]
    assert len(images_of(folder, 2)) == 2
    with pytest.raises(ImagesError, match=r"expected 4 images .*found 3"):
        images_of(folder, 4)
    with pytest.raises(ImagesError, match="no such folder"):
        images_of(folder / "none", 1)


def test_the_models_own_preprocessing(folder):
    assert profile_of_subject(SPEC, None, None) == PROFILE
    images = images_of(folder, 2)
    batch = image_batch(images, PROFILE)
    assert batch.shape == (2, 3, PROFILE.crop_px, PROFILE.crop_px)
    assert all(
        np.array_equal(a, preprocess_file(path, PROFILE)) for a, path in zip(batch, images, strict=True)
    )


@pytest.mark.parametrize("size_px", [64, 193])
def test_another_size_shows_the_same_share_of_the_image(size_px, folder):
    images = images_of(folder, 1)
    resize = round(PROFILE.resize_px * size_px / PROFILE.crop_px)
    expected = preprocess_file(images[0], replace(PROFILE, resize_px=resize, crop_px=size_px))
    assert np.array_equal(image_batch(images, PROFILE, size_px)[0], expected)


def test_publishers_that_differ_are_told_apart_by_the_name_of_weights():
    spec = get_model("resnet50")
    assert len({weights.preprocess for weights in spec.weights}) > 1
    assert profile_of_subject(spec, None, None) == spec.weights[0].preprocess
