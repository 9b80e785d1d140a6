"""EfficientNet-Lite 0, 1 and 2.

Paper: EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks
(arXiv:1905.11946). The Lite variants have no squeeze-and-excitation, ReLU6 for every
activation, and a stem, a head and first and last stages that are not scaled.

Sources: tensorflow/tpu `models/official/efficientnet/lite/efficientnet_lite_builder.py` at
22d5cab9cb59c1255589ac4401e5f3a47c01787a; timm 1.0.31 `timm/models/efficientnet.py`; the package
efficientnet-lite-pytorch 0.1.0 (ml-illustrated/EfficientNet-Lite-PyTorch at
1213079b9bd82d438d62fcdd6cd6d6f398c874b8).

timm has each twice. `tf_efficientnet_lite0` computes what TensorFlow does: SAME padding, which
on even sizes pads the right and bottom only under a stride of 2, and a BatchNorm eps of 1e-3.
`efficientnet_lite0` pads every side alike and has eps 1e-5. The names and shapes are the same,
the functions are not.
"""
