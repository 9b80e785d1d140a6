"""safetensors' own way of loading tensor by tensor, and saving; renames nothing.

python safetensors_safe_open.py SOURCE.safetensors OUTPUT.safetensors
"""

import sys

from safetensors import safe_open
from safetensors.numpy import save_file

with safe_open(sys.argv[1], framework="numpy") as source:
    save_file({name: source.get_tensor(name) for name in source.keys()}, sys.argv[2], {"format": "pt"})  # noqa: SIM118
