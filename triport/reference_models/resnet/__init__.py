"""ResNet and ResNeXt.

Papers: Deep Residual Learning for Image Recognition (arXiv:1512.03385), Aggregated Residual
Transformations for Deep Neural Networks (arXiv:1611.05431).

Sources: torchvision 0.28 `models/resnet.py`; MindCV `mindcv/models/resnet.py` at
51b0636da1e38a44a52edf76cf314d1c7c18883a.

Both publishers put the stride on the 3x3 convolution of a bottleneck ("v1.5"). They differ in
the stem's max-pool: torchvision pads one pixel on every side, MindCV has pad_mode="same", which
at 224 px pads the right and bottom only. The weights fit both graphs and only one is right, so
MindCV's are models of their own (`resnet50_mindcv`).
"""
