"""config.json as timm reads it: names, sizes and the crop fraction."""

import math

import pytest

from triport.publishing.registered.config import config_of, crop_fraction
from triport.publishing.registered.origin import OriginError, read_classes
from triport.reference_models.spec import all_models, get_model

PROFILES = sorted({w.preprocess for spec in all_models().values() for w in spec.weights}, key=str)


@pytest.mark.parametrize("preprocess", PROFILES, ids=str)
def test_timm_resizes_to_the_publishers_size(preprocess):
    """Its code divides the input's size by the fraction and rounds down."""
    assert math.floor(preprocess.crop_px / crop_fraction(preprocess)) == preprocess.resize_px


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("tf_efficientnet_lite0", "tf_efficientnet_lite0"),
        ("res2net50", "res2net50_26w_4s"),
        ("res2net101_v1b", "res2net101d"),
        ("regnet_x_800mf", "regnetx_008"),
        ("regnet_y_1_6gf", "regnety_016"),
        ("regnet_y_32gf", "regnety_320"),
        ("regnet_x_400mf_torchvision", "regnetx_004_tv"),
        ("resnetv2_50_timm", "resnetv2_50"),
        ("resnet50", "resnet50"),
        # another graph than timm's
        ("resnet50_mindcv", None),
        ("resnetv2_50", None),
        ("res2net152", None),
        ("res2net_digits", None),
    ],
)
def test_timms_name_of_a_graph(model, name):
    assert get_model(model).timm_name == name


def test_keys_of_timm_and_transformers():
    spec = get_model("tf_efficientnet_lite0")
    weights = spec.weights[1].preprocess
    config = config_of(spec, 1000, read_classes(None, 1000), weights)
    assert config["architecture"] == "tf_efficientnet_lite0"
    assert config["num_classes"] == config["pretrained_cfg"]["num_classes"] == 1000
    assert config["pretrained_cfg"]["input_size"] == [3, 224, 224]
    assert config["pretrained_cfg"]["mean"] == [127 / 255] * 3
    assert config["pretrained_cfg"]["interpolation"] == "bicubic"
    assert (config["pretrained_cfg"]["first_conv"], config["pretrained_cfg"]["classifier"]) == (
        "conv_stem",
        "classifier",
    )
    assert config["id2label"]["0"] == config["label_names"][0] == "tench, Tinca tinca"
    # ImageNet calls two classes crane
    assert len(config["label2id"]) == 1000
    assert all(config["id2label"][str(index)] == name for name, index in config["label2id"].items())


def test_classes_are_read_from_a_file(tmp_path):
    path = tmp_path / "classes.txt"
    path.write_text("cat\ndog\n")
    assert read_classes(path, 2) == ("cat", "dog")
    with pytest.raises(OriginError, match="has 2 names, the weights have 3 outputs"):
        read_classes(path, 3)
    with pytest.raises(OriginError, match="cannot be read"):
        read_classes(tmp_path / "nothing", 3)
