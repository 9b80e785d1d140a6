"""The networks of mindyolo, mindocr and mindaudio: how each is built, and what it takes.

Sizes are the smallest with which a network still runs all that it has: which operators a graph holds
does not depend on how large an image is. A network that takes its inputs as a tuple is wrapped.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.abc
import importlib.machinery
import sys
import types
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BATCH_SIZE = 2

# what the three packages import for their data sets and metrics; where one is missing, an empty stand-in
STAND_INS = (
    *(
        "albumentations",
        "cv2",
        "easydict",
        "filelock",
        "huggingface_hub",
        "imgaug",
        "requests",
        "lanms",
        "Levenshtein",
        "librosa",
        "lmdb",
        "matplotlib",
    ),
    *("mir_eval", "moxing", "pyclipper", "pycocotools", "rapidfuzz", "scipy", "sentencepiece", "seqeval"),
    *("shapely", "skimage", "sklearn", "soundfile", "tiktoken", "wget"),
)

# a part of MindSpore that 2.10 no longer has, and that mindocr imports as a whole for one network
GONE = "mindspore.parallel._transformer"


@dataclass(frozen=True, slots=True)
class PackageNetwork:
    """One network: `build` gets the folder of mindyolo's configurations, `inputs` is what `--input` takes."""

    package: str
    name: str
    build: Callable[[Path | None], Any]
    inputs: tuple[str, ...]


class _StandIns(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Makes an empty module of what is not installed; every name in it is a class that does nothing."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: types.ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname.partition(".")[0] not in STAND_INS and not fullname.startswith(GONE):
            return None
        return importlib.machinery.ModuleSpec(fullname, self, is_package=True)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        module = types.ModuleType(spec.name)
        module.__getattr__ = _make_stand_in  # type: ignore[method-assign]
        return module

    def exec_module(self, module: types.ModuleType) -> None:
        """Leave the module empty."""


def _make_stand_in(name: str) -> type:
    if name.startswith("__"):  # what Python itself asks of a module
        raise AttributeError(name)
    return type(name, (_StandIn,), {})


class _StandIn:
    """Takes any arguments; as a decorator it leaves what it decorates as it is."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        del arguments, named

    def __call__(self, decorated: Any = None, *arguments: Any, **named: Any) -> Any:
        del arguments, named
        return decorated


def allow_missing() -> None:
    """Let the packages be imported without what their networks do not need; what is installed comes first."""
    sys.meta_path.append(_StandIns())


def _yolo(path: str, size_px: int = 128) -> PackageNetwork:
    def build(configurations: Path | None) -> Any:
        from mindyolo.models import create_model
        from mindyolo.utils.config import Config, load_config

        if configurations is None:
            raise FileNotFoundError("mindyolo's configurations: say where with --configs")
        settings = Config(load_config(str(configurations / path))[0])
        return create_model(
            model_name=settings.network.model_name,
            model_cfg=settings.network,
            num_classes=settings.data.nc,
            sync_bn=False,
        )

    name = Path(path).stem
    return PackageNetwork("mindyolo", name, build, (f"{BATCH_SIZE}x3x{size_px}x{size_px}",))


def _ocr(name: str, *inputs: str, wrap: str | None = None, steps: int | None = None) -> PackageNetwork:
    """Describe a network of mindocr; `steps` limits the text, each letter of which copies the decoder."""

    def build(configurations: Path | None) -> Any:
        from mindocr.models import build_model

        with _without_downloads():
            net = build_model(name, pretrained=False, pretrained_backbone=False)
        if steps is not None:
            (most,) = vars(net.head).keys() & {"max_text_length", "batch_max_length"}
            setattr(net.head, most, steps)
        return net if wrap is None else getattr(_wrappers(), wrap)(net)

    return PackageNetwork("mindocr", name, build, tuple(f"{BATCH_SIZE}x{text}" for text in inputs))


@contextlib.contextmanager
def _without_downloads() -> Iterator[None]:
    """Build backbones without their trained weights, which some of mindocr's networks ask for in any case."""
    import mindocr.models.base_model as base

    build_backbone = base.build_backbone
    base.build_backbone = lambda name, **options: build_backbone(name, **{**options, "pretrained": False})
    try:
        yield
    finally:
        base.build_backbone = build_backbone


def _audio(name: str, make: Callable[[], Any], *inputs: str) -> PackageNetwork:
    return PackageNetwork("mindaudio", name, lambda configurations: make(), inputs)


def _wrappers() -> types.ModuleType:
    return importlib.import_module("benchmarks.zoo_packages_wrappers")


class _Settings(dict):
    """A dictionary whose keys are attributes, as the packages' own settings are."""

    def __getattr__(self, name: str) -> Any:
        value = self[name]
        return _Settings(value) if type(value) is dict else value


def _deep_speech() -> Any:
    from mindaudio.models.deepspeech2 import DeepSpeechModel

    audio = _Settings(sample_rate=16000, window_size=0.02)
    return DeepSpeechModel(
        batch_size=BATCH_SIZE,
        labels=list("_'ABCDEFGHIJKLMNOPQRSTUVWXYZ "),
        rnn_hidden_size=64,
        nb_layers=2,
        audio_conf=audio,
        bidirectional=True,
    )


def _ecapa() -> Any:
    from mindaudio.models.ecapatdnn import EcapaTDNN

    return EcapaTDNN(80, channels=(64, 64, 64, 64, 192), lin_neurons=32)


def _speaker_classifier() -> Any:
    from mindaudio.models.ecapatdnn import Classifier

    return Classifier(1, 0, 32, 48)


def _conformer_encoder() -> Any:
    from mindaudio.models.conformer import ConformerEncoder

    return ConformerEncoder(80, output_size=64, linear_units=128, num_blocks=2, feature_norm=False)


def _transformer_decoder() -> Any:
    from mindaudio.models.conformer import TransformerDecoder

    return TransformerDecoder(100, 64, linear_units=128, num_blocks=2)


def _tasnet() -> Any:
    from mindaudio.models.tasnet import TasNet

    return TasNet(L=40, N=32, hidden_size=24, num_layers=2, bidirectional=True)


def _conv_tasnet() -> Any:
    from mindaudio.models.conv_tasnet import ConvTasNet

    return ConvTasNet(N=32, L=20, B=16, H=24, P=3, X=3, R=2, C=2)


def _wave_grad() -> Any:
    from mindaudio.models.wavegrad import WaveGrad

    return WaveGrad(
        _Settings(
            n_mels=16,
            dblock={
                "init_conv_channels": 8,
                "init_conv_kernels": 5,
                "hidden_size": [8, 8, 16, 16],
                "factor": [2, 2, 3, 5],
                "kernel_size": [3, 3, 3],
                "dilations": [1, 2, 4],
            },
            film={"output_size": [8, 8, 16, 16, 16], "kernel_size": [3] * 5},
            ublock={
                "hidden_size": [16, 16, 16, 8, 8],
                "factor": [5, 5, 3, 2, 2],
                "dilation": [[1, 2, 1, 2], [1, 2, 1, 2], [1, 2, 4, 8], [1, 2, 4, 8], [1, 2, 4, 8]],
                "kernel_size": 3,
            },
            first_conv={"hidden_size": 24, "kernel_size": 3},
        )
    )


def _fast_speech() -> Any:
    from mindaudio.models.fastspeech2 import FastSpeech2

    pitch = {"feature": "frame_level", "pitch_min": 0.0, "pitch_max": 843.4, "normalization": False}
    energy = {"feature": "frame_level", "energy_min": 0.04, "energy_max": 494.1, "normalization": False}
    settings = _Settings(
        use_fp16=False,
        n_mels=16,
        pitch=pitch,
        energy=energy,
        model={
            "n_src_vocab": 60,
            "max_seq_len": 50,
            "max_mel_len": 50,
            "transformer": {
                **{"encoder_layer": 1, "encoder_head": 2, "encoder_hidden": 32},
                **{"decoder_layer": 1, "decoder_head": 2, "decoder_hidden": 32},
                **{"conv_filter_size": 64, "conv_kernel_size": [9, 1]},
                **{"encoder_dropout": 0.2, "decoder_dropout": 0.2},
            },
            "variance_predictor": {"filter_size": 32, "kernel_size": 3, "dropout": 0.5},
            "variance_embedding": {
                "n_bins": 16,
                "pitch_quantization": "log",
                "energy_quantization": "linear",
            },
        },
    )
    return _wrappers().Spoken(FastSpeech2(settings))


YOLO = (
    "yolov3/yolov3 yolov4/yolov4 yolov4/yolov4-silu yolov5/yolov5n yolov5/yolov5n6 yolov7/yolov7-tiny "
    "yolov7/yolov7 yolov7/yolov7-x yolov7/yolov7-w6 yolov7/yolov7-d6 yolov7/yolov7-e6 yolov7/yolov7-e6e "
    "yolov8/yolov8n yolov8/seg/yolov8x-seg yolov9/yolov9-t yolov9/yolov9-c yolov9/yolov9-e "
    "yolov10/yolov10n yolov10/yolov10b yolov11/yolov11-n yolox/yolox-nano yolox/yolox-tiny yolox/yolox-s "
    "yolox/yolox-darknet53"
)

NETWORKS = (
    *(_yolo(f"{path}.yaml") for path in YOLO.split()),
    _ocr("cls_mobilenet_v3_small_100_model", "3x48x192"),
    *(
        _ocr(name, "3x128x128")
        for name in (
            *("dbnet_mobilenetv3", "dbnet_resnet18", "dbnet_resnet50", "dbnet_resnet50_ch_en"),
            *("dbnetpp_resnet50", "dbnetpp_resnet50_ch_en", "dbnet_ppocrv3", "east_resnet50"),
            *("east_mobilenetv3", "psenet_resnet50", "psenet_resnet152", "psenet_mobilenetv3", "yolov8"),
        )
    ),
    # int64, as mindocr's own data set gives them: with int32, MindSpore does not run it operator by operator
    _ocr("layoutxlm_ser", "64:int64", "64x4:int64", "64:int64", "64:int64", "3x224x224", wrap="Document"),
    _ocr("vi_layoutxlm_ser", "64:int64", "64x4:int64", "64:int64", "64:int64", wrap="Document"),
    _ocr("abinet", "3x32x128"),
    *(_ocr(name, "3x32x100") for name in ("crnn_resnet34", "crnn_vgg7", "rare_resnet34", "rare_resnet34_ch")),
    _ocr("crnn_resnet34_ch", "3x32x320"),
    _ocr("master_resnet31", "3x48x160", steps=8),
    _ocr("robustscanner_resnet31", "3x48x160", "1x40", "41:int64", wrap="Scanner"),
    _ocr("svtr_tiny", "3x64x256"),
    _ocr("svtr_tiny_ch", "3x32x320"),
    _ocr("svtr_ppocrv3_ch", "3x48x320"),
    _ocr("visionlan_resnet45", "3x64x256"),
    _ocr("table_master", "3x64x64", steps=8),
    _audio("DeepSpeech2", _deep_speech, f"{BATCH_SIZE}x1x161x40", f"{BATCH_SIZE}"),
    _audio("EcapaTDNN", _ecapa, f"{BATCH_SIZE}x50x80"),
    _audio("EcapaTDNN classifier", _speaker_classifier, f"{BATCH_SIZE}x32"),
    _audio("Conformer encoder", _conformer_encoder, f"{BATCH_SIZE}x50x80", f"{BATCH_SIZE}x1x11:bool"),
    _audio(
        "Transformer decoder",
        _transformer_decoder,
        f"{BATCH_SIZE}x11x64",
        f"{BATCH_SIZE}x1x11:bool",
        f"{BATCH_SIZE}x7:int64",
        f"{BATCH_SIZE}x7x7:bool",
    ),
    _audio("TasNet", _tasnet, f"{BATCH_SIZE}x20x40"),
    _audio("ConvTasNet", _conv_tasnet, f"{BATCH_SIZE}x32000"),
    _audio("WaveGrad", _wave_grad, f"{BATCH_SIZE}x1200", f"{BATCH_SIZE}", f"{BATCH_SIZE}x16x4"),
    _audio(
        "FastSpeech2",
        _fast_speech,
        f"{BATCH_SIZE}x9:int32",
        f"{BATCH_SIZE}x20:int32",
        f"{BATCH_SIZE}x9:bool",
        f"{BATCH_SIZE}x20:bool",
        f"{BATCH_SIZE}x9x32",
        f"{BATCH_SIZE}x20x32",
    ),
)
