"""The catalogue of faults: each makes a right network wrong in one place, and says which.

A fault is a function of a Candidate. It changes the candidate's parameters, modules or images, and
returns the names of the modules that may be called wrong: the one that it changed, or, where what is computed
between modules is changed, those that are fed it. None: this network has nothing to do it to.
"""

from benchmarks.faults import layers, pools, blocks, ends  # noqa: F401, I001 - the catalogue's order
from benchmarks.faults.candidate import FAULTS as FAULTS
from benchmarks.faults.candidate import Candidate as Candidate
