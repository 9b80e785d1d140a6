"""RegNet, X and Y series (Y has squeeze and excitation).

Paper: Designing Network Design Spaces (arXiv:2003.13678).

Sources: torchvision 0.29.2 `models/regnet.py`; timm 1.0.31 `timm/models/regnet.py`; MindCV
`mindcv/models/regnet.py` at 51b0636da1e38a44a52edf76cf314d1c7c18883a.

A model is five numbers from which the widths and depths of its four stages follow; the 24 models
are MindCV's. timm has the same 24 (`regnetx_008` is `regnet_x_800mf`), torchvision 14 of them, and
the publishers agree on the function and differ in names, except for one step: widths are rounded
to whole groups to the nearest by MindCV and timm, half up and never below nine tenths by
torchvision. Three sizes come out different, and torchvision's are models of their own:

    regnet_x_400mf_torchvision   stages 32, 64, 160, 400 wide, not 32, 64, 160, 384
    regnet_y_800mf_torchvision   stages 64, 144, 320, 784 wide, not 64, 128, 320, 768
    regnet_y_8_0gf_torchvision   stages 224, 448, 896, 2016 wide, not 168, 448, 896, 2016

timm has these too, as `regnetx_004_tv`, `regnety_008_tv` and `regnety_080_tv`.

MindCV's checkpoints name the stages in an odd way (`0.blocks.1.blocks.0` is stage 1, block 0): see
net_mindspore.py. torchvision writes 8gf where MindCV, and this folder, write 8_0gf.
"""
