"""safetensors' own way of loading and saving a whole file; renames nothing.

python safetensors_load_file.py SOURCE.safetensors OUTPUT.safetensors
"""

import sys

from safetensors.numpy import load_file, save_file

save_file(load_file(sys.argv[1]), sys.argv[2], {"format": "pt"})
