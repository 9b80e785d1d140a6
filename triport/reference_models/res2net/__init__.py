"""Res2Net, 26w 4s, and its v1b.

Paper: Res2Net: A New Multi-scale Backbone Architecture (arXiv:1904.01169).

Sources: MindCV `mindcv/models/res2net.py` at 51b0636da1e38a44a52edf76cf314d1c7c18883a; timm 1.0.31
`models/res2net.py` and `models/resnet.py` (`res2net50_26w_4s`, `res2net50d`).

v1b has a stem of three 3x3 convolutions and averages 2x2 pixels before the 1x1 convolution of a
shortcut with stride; timm calls it "d". MindCV and timm write three things differently that are
the same function at every input size, odd ones too: pools over an image padded with zeros or
padded by the pool itself (behind a ReLU the maximum does not see the difference, and the average
counts the zeros in both), and v1b's shortcut pool as pad_mode="same" or ceil_mode with
count_include_pad=False. So one model serves both publishers' weights.

`res2net_digits` is a small v1b for 32 px images, trained by `examples/digits/train.py`.
"""
