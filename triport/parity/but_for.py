"""What a candidate is equal but for, and how that is said."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ButForKernels:
    """What a candidate is equal but for: kernels that only approximate a function, its own or MindSpore's.

    `functions` are those that the network has; `how` says what the kernels compute; `off` by how much the
    candidate differs from the reference, and where most. `of_reference` where the reference is MindSpore, and
    the kernels are the reference's.
    """

    functions: tuple[str, ...]
    how: str
    off: str
    of_reference: bool = False

    @property
    def whose(self) -> str:
        """Whose kernels they are, seen from the candidate."""
        return "MindSpore's" if self.of_reference else "its"

    def __str__(self) -> str:
        if self.of_reference:
            return (
                f"these compute {self.how}: it is off by {self.off}. A copy of the graph that computes so "
                "gives what MindSpore gives, and one with exact functions what the graph gives, as shown here"
            )
        return (
            f"its kernels compute {self.how}: it is off by {self.off}. PyTorch in float64 that computes "
            f"{', '.join(self.functions)} so gives what it gives, as shown here"
        )
