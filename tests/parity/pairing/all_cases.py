"""Every small pair: those of the files `of_*.py` beside this one."""

import importlib
from pathlib import Path

HERE = Path(__file__).parent
CASES = [
    case
    for path in sorted(HERE.glob("of_*.py"))
    for case in importlib.import_module(f"tests.parity.pairing.{path.stem}").CASES
]
