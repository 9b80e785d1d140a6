"""The one base class of everything that a user can mend."""


class TriportError(Exception):
    """Bad usage or bad input: says what failed, where, what was expected, and what to do.

    The command line turns it into one message on stderr and exit code 2.
    """


def listed(items: object, limit: int = 10) -> str:
    """Return up to `limit` of the items, one an indented line, and a count of the others."""
    lines = [str(item) for item in items]  # type: ignore[attr-defined]
    shown = [f"  {line}" for line in lines[:limit]]
    if len(lines) > limit:
        shown.append(f"  ... and {len(lines) - limit} more")
    return "\n".join(shown)
