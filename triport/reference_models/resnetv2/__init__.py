"""ResNetV2: the pre-activation ResNet, in MindCV's form and in timm's.

Paper: Identity Mappings in Deep Residual Networks (arXiv:1603.05027).

Sources: MindCV `mindcv/models/resnetv2.py` and `resnet.py` at
51b0636da1e38a44a52edf76cf314d1c7c18883a; timm 1.0.31 `timm/models/resnetv2.py`.

Both activate before each convolution and put a bottleneck's stride on the 3x3. They are two
graphs with two sets of parameters, and neither's weights fit the other:

- MindCV keeps ResNet's own stem (convolution, BatchNorm, ReLU, max-pool with pad_mode="same"),
  has a BatchNorm in the shortcut, and nothing between the last block and the pooling.
- timm's stem is a convolution and a max-pool that pads every side, its shortcut is a convolution
  only, a BatchNorm and ReLU follow the last block, and its head is a 1x1 convolution.

timm's models are called `resnetv2_50_timm` and `resnetv2_101_timm` here.
"""
