"""Inception-v4.

Paper: Inception-v4, Inception-ResNet and the Impact of Residual Connections on Learning
(arXiv:1602.07261).

Sources: MindCV `mindcv/models/inceptionv4.py` at 51b0636da1e38a44a52edf76cf314d1c7c18883a; timm
1.0.31 `models/inception_v4.py`.

One graph for both publishers: every pad_mode="same" of MindCV has stride 1 and an odd kernel, so
it pads alike on both sides at any input size, and its average pools leave the padding out as
timm's do; both have BatchNorm eps 1e-3. Names differ (MindCV has one cell for the stem, timm six
modules), and so does preprocessing: ImageNet mean and deviation with bilinear resizing against 0.5
and 0.5 with bicubic. Dropout before the head (MindCV 0.2, timm none) acts in training only and is
left out.

Checkpoints with 1001 outputs exist, background class first: those of Cadene's port of TF-Slim,
which Ascend's ModelZoo-PyTorch also runs.
"""
