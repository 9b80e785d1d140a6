"""Cells around networks of packages whose own inputs are tuples or optional."""

from __future__ import annotations

from typing import Any

from mindspore import nn


class Document(nn.Cell):
    """A network that takes token ids, boxes, mask, token types and perhaps the image as one tuple."""

    def __init__(self, net: Any) -> None:
        super().__init__()
        self.net = net

    def construct(self, *inputs: Any) -> Any:
        """Pass all inputs as one."""
        return self.net(inputs)


class Scanner(nn.Cell):
    """RobustScanner at inference: image, mask of the valid width, and the positions of the characters."""

    def __init__(self, net: Any) -> None:
        super().__init__()
        self.net = net

    def construct(self, image: Any, valid_width: Any, positions: Any) -> Any:
        """Pass the image and what the head wants beside it."""
        return self.net(image, valid_width, positions)


class Spoken(nn.Cell):
    """FastSpeech2 with the phonemes expanded beforehand, as it is trained and exported."""

    def __init__(self, net: Any) -> None:
        super().__init__()
        self.net = net

    def construct(
        self, texts: Any, expanded: Any, src_masks: Any, mel_masks: Any, encoder: Any, decoder: Any
    ) -> Any:
        """Pass the inputs by name and return the spectrogram."""
        made = self.net(
            None,
            texts,
            None,
            None,
            positions_encoder=encoder,
            positions_decoder=decoder,
            expanded_phonemes=expanded,
            src_masks=src_masks,
            mel_masks=mel_masks,
        )
        return made["mel_predictions"]
