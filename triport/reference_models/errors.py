"""The one base class of everything that a user can mend."""

import unicodedata

# control characters, those that turn the direction of writing, line and paragraph ends, halves of characters
_CONTROLS = ("Cc", "Cf", "Cs", "Zl", "Zp")


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


def without_controls(text: str) -> str:
    """Return a text whose control characters are escapes; line breaks and tabs stay."""
    if text.isprintable():
        return text
    return "".join(
        ascii(c)[1:-1] if unicodedata.category(c) in _CONTROLS and c not in "\n\t" else c for c in text
    )


def counted(count: int, one: str, many: str = "") -> str:
    """Return a number with its noun: "1 image", "3 images", "12,000 images".

    Args:
        count: the number.
        one: what follows it where it is 1, "entry" or "entry is".
        many: what follows any other number; left out, `one` with an s.
    """
    number = f"{count:,}" if count >= 10_000 else str(count)
    return f"{number} {one if count == 1 else many or one + 's'}"
