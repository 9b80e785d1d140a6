"""What a config.json beside a file, a .ckpt or a publisher's names say, and how it goes through every hop."""

import json

import pytest

from tests.converters.checkpoints import dialect_of, hollow_checkpoint, write_random
from triport.converters.formats import open_checkpoint
from triport.converters.identification.identify import identify
from triport.converters.statements.preparation import figure_of, preparation_of
from triport.reference_models.spec import get_model

DIGITS = get_model("res2net_digits")
RESNET = get_model("resnet18_mindcv")
TIMM = dialect_of(DIGITS, "timm")


CONFIG = {
    "architecture": "res2net_digits",
    "num_classes": 10,
    "pretrained_cfg": {
        "input_size": [3, 32, 32],
        "interpolation": "bicubic",
        "crop_pct": 0.95,
        "mean": [0.5, 0.4, 0.3],
        "std": [0.25, 0.25, 0.25],
    },
}


def with_config(folder, **changes):
    path = write_random(folder / "model.safetensors", DIGITS, TIMM)
    (folder / "config.json").write_text(json.dumps({**CONFIG, **changes}))
    return path


@pytest.mark.field(
    case="timm's config.json beside model.safetensors",
    source="huggingface.co/timm: architecture, num_classes, pretrained_cfg",
    outcome="Its preprocessing is taken instead of the publisher's, and no published figure is assumed.",
)
def test_a_config_beside_the_file_states_the_preprocessing(tmp_path, run_cli):
    path = with_config(tmp_path)
    output = tmp_path / "out.onnx"
    done = run_cli("convert", path, "--to", "onnx", "-o", output, "--json", "-")
    assert done.exit_code == 0
    assert not any("preprocessing" in one for one in json.loads(done.stdout)["assumed"])
    metadata = open_checkpoint(output).metadata
    assert metadata["triport.preprocessing_known"].startswith("stated")
    prepared = json.loads(metadata["triport.preprocessing"])
    assert (prepared["resize_px"], prepared["interpolation"]) == (33, "bicubic")
    assert prepared["mean"] == [0.5, 0.4, 0.3]
    checkpoint = open_checkpoint(path)
    assert figure_of(checkpoint, DIGITS, 10, "mindcv").weights is None


@pytest.mark.field(
    case="a config.json beside the file that contradicts it",
    source="huggingface/pytorch-image-models: resnetblur50 and resnetaa50 on the hub, model_args",
    outcome="Exit 2, with the place in config.json, what it says and what the file is.",
)
@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"architecture": "resnetblur18"}, "config.json: architecture says 'resnetblur18'"),
        ({"num_classes": 1000}, "its head has 10 classes"),
        ({"model_args": {"output_stride": 8}}, "model_args.output_stride says '8'"),
        ({"global_pool": "max"}, "global_pool says 'max'"),
        ({"pretrained_cfg": {"mean": [0.5], "std": [1, 1, 1]}}, "pretrained_cfg"),
        (
            {"pretrained_cfg": {**CONFIG["pretrained_cfg"], "interpolation": "lanczos"}},
            "interpolation 'lanczos'",
        ),
    ],
)
def test_a_config_that_contradicts(tmp_path, run_cli, changes, words):
    path = with_config(tmp_path, **changes)
    refused = run_cli("convert", path, "--to", "mindspore", "-o", tmp_path / "out.ckpt")
    assert refused.exit_code == 2
    assert words in " ".join(refused.stderr.split())
    assert not (tmp_path / "out.ckpt").exists()


@pytest.mark.field(
    case="a config.json that is of another file, or no table at all",
    source="found by trying: folders with several checkpoints, a broken config.json",
    outcome="Not believed: the conversion goes on as without it.",
)
@pytest.mark.parametrize("text", ['{"architecture": "vgg16"}', "[1, 2]", "{", '{"name": "my app"}'])
def test_a_config_of_another_file(tmp_path, run_cli, text):
    path = write_random(tmp_path / "mine.pth", DIGITS, TIMM)
    (tmp_path / "other.pth").write_bytes(b"")
    (tmp_path / "config.json").write_text(text)
    done = run_cli("convert", path, "--to", "mindspore", "-o", tmp_path / "out.ckpt")
    assert done.exit_code == 0, done.stderr


@pytest.mark.field(
    case="a preprocessing that nothing states",
    source="found by reading: ONNX metadata and cards gave torchvision's for every ResNet",
    outcome="Printed as assumed, and marked as assumed in the written file's metadata, through every hop.",
)
def test_an_assumed_preprocessing_says_so_through_every_hop(tmp_path, run_cli):
    path = write_random(tmp_path / "a.pth", DIGITS, TIMM)
    for to, name in (("mindspore", "b.ckpt"), ("onnx", "c.onnx"), ("pytorch", "d.safetensors")):
        done = run_cli("convert", path, "--to", to, "-o", tmp_path / name)
        assert done.exit_code == 0, done.stderr
        assert "Assumed: the preprocessing" in done.stdout
        path = tmp_path / name
        checkpoint = open_checkpoint(path)
        assert checkpoint.metadata["triport.preprocessing_known"].startswith("assumed")
        assert preparation_of(checkpoint, DIGITS, "timm").known == "assumed"


@pytest.mark.field(
    case="torchvision's ResNet by way of a .ckpt",
    source="found by trying: .pth to .ckpt to ONNX became MindCV's ResNet, 4.9 % off",
    outcome="The .ckpt says what it is: the ONNX is torchvision's graph, and inspect shows it.",
)
def test_a_ckpt_says_what_it_is(tmp_path, run_cli):
    spec = get_model("resnet18")
    path = write_random(tmp_path / "a.pth", spec, dialect_of(spec, "torchvision"), 10)
    ckpt, back = tmp_path / "b.ckpt", tmp_path / "c.pth"
    assert run_cli("convert", path, "--to", "mindspore", "-o", ckpt).exit_code == 0
    assert identify(open_checkpoint(ckpt)).spec.name == "resnet18"
    done = run_cli("convert", ckpt, "--to", "pytorch", "-o", back, "--json", "-")
    report = json.loads(done.stdout)
    assert (report["model"], done.exit_code) == ("resnet18", 0)
    assert not any("weights are of" in one for one in report["assumed"])
    assert json.loads(run_cli("inspect", ckpt, "--json", "-").stdout)["statements"][0]["verdict"] == "holds"


@pytest.mark.field(
    case="a .ckpt of MindSpore itself that fits two graphs",
    source="MindCV's and others' ResNets: one set of names, two paddings of the stem's pool",
    outcome="The publisher of the names decides, and the output says that it is assumed.",
)
def test_a_ckpt_without_a_word_is_assumed_to_be_its_publishers():
    found = identify(hollow_checkpoint(RESNET, dialect_of(RESNET, "mindcv"), 10))
    assert found.spec.name == "resnet18_mindcv"
    assert "they fit resnet18, " in found.assumed[0]


@pytest.mark.field(
    case="a .ckpt that says what it is, in MindSpore",
    source="MindSpore 2.10: load_checkpoint, load_param_into_net(strict_load=True), ckpt_to_safetensors",
    outcome="All load it strictly and find nothing more in it; --plain writes MindSpore's own bytes.",
)
@pytest.mark.parametrize("crc", [False, True])
def test_mindspore_does_not_see_what_a_ckpt_says(tmp_path, run_cli, crc):
    import mindspore

    path = write_random(tmp_path / "a.pth", DIGITS, TIMM)
    words = ["--crc"] if crc else []
    ckpt, plain = tmp_path / "b.ckpt", tmp_path / "plain.ckpt"
    assert run_cli("convert", path, "--to", "mindspore", "-o", ckpt, *words).exit_code == 0
    assert run_cli("convert", path, "--to", "mindspore", "-o", plain, "--plain", *words).exit_code == 0
    parameters = mindspore.load_checkpoint(str(ckpt), crc_check=crc)
    assert list(parameters) == list(mindspore.load_checkpoint(str(plain), crc_check=crc))
    assert mindspore.load_param_into_net(DIGITS.build_mindspore(), parameters, strict_load=True) == ([], [])
    saved = tmp_path / "saved.ckpt"
    mindspore.save_checkpoint(
        [{"name": name, "data": value} for name, value in parameters.items()], str(saved), crc_check=crc
    )
    assert saved.read_bytes() == plain.read_bytes()
    assert not open_checkpoint(plain).metadata
    mindspore.ckpt_to_safetensors(str(ckpt), str(tmp_path / "out"))
    assert (tmp_path / "out" / "b.safetensors").exists()


@pytest.mark.field(
    case="equal weights of two graphs",
    source="found by trying: inspect A B said 'Equal, bit for bit' of torchvision's and MindCV's ResNet",
    outcome="'Weights equal; graphs differ', with where, and exit code 1.",
)
def test_inspect_of_two_graphs(tmp_path, run_cli):
    spec = get_model("resnet18")
    path = write_random(tmp_path / "a.pth", spec, dialect_of(spec, "torchvision"), 10)
    files = []
    for model in ("resnet18", "resnet18_mindcv"):
        files.append(tmp_path / f"{model}.ckpt")
        done = run_cli("convert", path, "--to", "mindspore", "-o", files[-1], "--model", model)
        assert done.exit_code == 0, done.stderr
    found = run_cli("inspect", *files)
    assert found.exit_code == 1
    assert "Weights equal; graphs differ" in found.stdout and "maxpool" in found.stdout
    report = json.loads(run_cli("inspect", *files, "--json", "-").stdout)
    assert (report["weights_equal"], report["graphs_equal"], report["equal"]) == (True, False, False)
    assert run_cli("inspect", files[0], files[0]).exit_code == 0


@pytest.mark.field(
    case="a publisher's names for a model that the publisher does not have",
    source="found by trying: MindCV's regnet_y_800mf is 768 wide, torchvision's 784",
    outcome="Written, and the output says that the publisher's own code does not load it, and whose does.",
)
def test_names_of_a_publisher_without_the_model(tmp_path, run_cli):
    spec = get_model("regnet_y_800mf")
    path = write_random(tmp_path / "a.ckpt", spec, dialect_of(spec, "mindcv"), 10)
    output = tmp_path / "out.pth"
    done = run_cli("convert", path, "--to", "pytorch", "--dialect", "torchvision", "-o", output)
    assert done.exit_code == 0
    assert "the names are torchvision's, but torchvision has no architecture with" in done.stdout
    assert "timm's regnety_008 does (--dialect timm)" in done.stdout
    done = run_cli("convert", path, "--to", "pytorch", "--dialect", "timm", "-o", output)
    assert "loads in    timm's regnety_008: the same function" in done.stdout


@pytest.mark.field(
    case="--dialect timm of a ResNet, whose names timm takes from torchvision",
    source="found by trying: it was refused as unknown",
    outcome="Written; the output says whose code loads it and that it computes the same.",
)
def test_timms_names_of_a_resnet(tmp_path, run_cli):
    spec = get_model("resnet18")
    path = write_random(tmp_path / "a.pth", spec, dialect_of(spec, "torchvision"), 10)
    done = run_cli("convert", path, "--to", "pytorch", "--dialect", "timm", "-o", tmp_path / "out.pth")
    assert done.exit_code == 0
    assert "torchvision's resnet18, timm's resnet18: the same function" in done.stdout


@pytest.mark.field(
    case="a config.json that its own script wrote",
    source="huggingface_hub's PyTorchModelHubMixin: the arguments of the class, by its own names",
    outcome="Exit 2 where one of them is another architecture's name; else the conversion goes on.",
)
@pytest.mark.parametrize(
    ("config", "wrong"),
    [
        ({"backbone_name": "resnetblur18", "width": 64}, True),
        ({"model": {"encoder": "resnetblur18"}}, True),
        ({"model": "gpt-4", "name": "my app"}, False),
    ],
)
def test_a_config_of_a_hub_mixin(tmp_path, run_cli, config, wrong):
    path = write_random(tmp_path / "model.safetensors", DIGITS, TIMM)
    (tmp_path / "config.json").write_text(json.dumps(config))
    done = run_cli("convert", path, "--to", "mindspore", "-o", tmp_path / "out.ckpt")
    assert done.exit_code == (2 if wrong else 0), done.output
    assert not wrong or "resnetblur18" in done.stderr
