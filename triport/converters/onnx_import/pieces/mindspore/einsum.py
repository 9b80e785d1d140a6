"""Einstein's sum, which MindSpore's CPU has not."""

from mindspore import Tensor, ops


def einsum(terms: tuple[str, ...], wanted: str, *tensors: Tensor) -> Tensor:
    """Return the sum of products over the axes that are not wanted; each letter of a term names an axis."""
    axes, x = terms[0], tensors[0]
    for n, (term, y) in enumerate(zip(terms[1:], tensors[1:]), 2):
        later = set(wanted).union(*terms[n:])
        both = [a for a in axes if a in term and a in later]
        summed = [a for a in axes if a in term and a not in later]
        left, right = ([a for a in t if a not in both + summed] for t in (axes, term))
        x, y = (
            ops.transpose(x, tuple(axes.index(a) for a in both + left + summed)),
            ops.transpose(y, tuple(term.index(a) for a in both + summed + right)),
        )
        shared, mine = x.shape[: len(both)], x.shape[len(both) : len(both) + len(left)]
        its = y.shape[len(both) + len(summed) :]
        count = 1
        for a, size in zip(both + left + summed, x.shape):
            count *= size if a in summed else 1
        x = ops.matmul(ops.reshape(x, (*shared, -1, count)), ops.reshape(y, (*shared, count, -1)))
        x, axes = ops.reshape(x, (*shared, *mine, *its)), "".join(both + left + right)
    over = tuple(i for i, a in enumerate(axes) if a not in wanted)
    x = ops.sum(x, over) if over else x
    axes = "".join(a for a in axes if a in wanted)
    return ops.transpose(x, tuple(axes.index(a) for a in wanted)) if len(wanted) > 1 else x
