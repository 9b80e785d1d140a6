"""A dense layer whose outputs become an image, channels first or last: its bias goes with its weight."""

from torch import nn

import triport


class Decoder(nn.Module):
    def __init__(self, last):
        super().__init__()
        self.last = last
        self.spread = nn.Linear(5, 4 * 3 * 3)
        self.conv = nn.ConvTranspose2d(4, 2, 3)

    def forward(self, x):
        flat = self.spread(x)
        maps = flat.view(-1, 3, 3, 4).permute(0, 3, 1, 2) if self.last else flat.view(-1, 4, 3, 3)
        return self.conv(maps)


def test_the_bias_is_regrouped_as_the_weight_is():
    done = triport.pair(Decoder(last=True), Decoder(last=False), inputs=["2x5"])
    assert done.passed and not done.unproven
    steps = {row["a"][0]: row["steps"] for row in done.to_dict()["names"]}
    assert steps["spread.bias"] == steps["spread.weight"] != []
    assert steps["conv.weight"] == steps["conv.bias"] == []
