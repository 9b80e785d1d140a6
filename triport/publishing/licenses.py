"""Licenses by their SPDX identifiers, and what the hub calls them in a card's metadata.

spdx_licenses.txt has the identifiers of the SPDX license list 3.27.0 (https://spdx.org/licenses), without the
deprecated ones.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from triport.converters.formats import as_stated
from triport.reference_models.errors import TriportError

_OWN = re.compile(r"LicenseRef-[A-Za-z0-9.-]{1,100}")
# deprecated, because they do not say whether a later version may be used instead
_OPEN_ENDED = re.compile(r"((?:a|l)?gpl|gfdl)-[1-3]\.[0-9]")
# https://huggingface.co/docs/hub/repositories-licenses: those that it calls by SPDX's name in lower case
_OF_THE_HUB = frozenset(
    (
        *("apache-2.0", "mit", "afl-3.0", "artistic-2.0", "bsl-1.0", "bsd-2-clause", "bsd-3-clause"),
        *("bsd-3-clause-clear", "cc0-1.0", "cc-by-2.0", "cc-by-2.5", "cc-by-3.0", "cc-by-4.0"),
        *("cc-by-sa-3.0", "cc-by-sa-4.0", "cc-by-nc-2.0", "cc-by-nc-3.0", "cc-by-nc-4.0", "cc-by-nd-4.0"),
        *("cc-by-nc-nd-3.0", "cc-by-nc-nd-4.0", "cc-by-nc-sa-2.0", "cc-by-nc-sa-3.0", "cc-by-nc-sa-4.0"),
        *("cdla-sharing-1.0", "cdla-permissive-1.0", "cdla-permissive-2.0", "wtfpl", "ecl-2.0", "epl-1.0"),
        *("epl-2.0", "etalab-2.0", "eupl-1.1", "eupl-1.2", "isc", "lppl-1.3c", "ms-pl", "mpl-2.0"),
        *("osl-3.0", "postgresql", "ofl-1.1", "ncsa", "unlicense", "zlib"),
    )
)
# and those that it has another name for
_HUB_NAMES = {
    **{f"{name}-{suffix}": name for name in ("gpl-2.0", "gpl-3.0") for suffix in ("only", "or-later")},
    **{f"{name}-{suffix}": name for name in ("lgpl-2.1", "lgpl-3.0") for suffix in ("only", "or-later")},
    **{f"agpl-3.0-{suffix}": "agpl-3.0" for suffix in ("only", "or-later")},
    **{f"gfdl-1.3-{suffix}": "gfdl" for suffix in ("only", "or-later")},
    "odc-by-1.0": "odc-by",
    "odbl-1.0": "odbl",
    "pddl-1.0": "pddl",
    "c-uda-1.0": "c-uda",
}


class LicenseError(TriportError):
    """It is no SPDX identifier."""


@cache
def _identifiers() -> dict[str, str]:
    """Return every identifier by its lower case."""
    text = Path(__file__).with_name("spdx_licenses.txt").read_text(encoding="ascii")
    return {line.lower(): line for line in text.splitlines()}


def license_of(text: str) -> str:
    """Return a license's SPDX identifier as the list writes it; case does not matter.

    Raises:
        LicenseError: there is no such identifier; the message has those that are near.
    """
    if _OWN.fullmatch(text):
        return text
    known = _identifiers()
    if text.lower() in known:
        return known[text.lower()]
    shown = ascii(text[:60])
    if _OPEN_ENDED.fullmatch(text.lower()):
        only, later = (known.get(f"{text.lower()}-{suffix}") for suffix in ("only", "or-later"))
        if only and later:
            raise LicenseError(
                f"--license {shown}: does not say whether a later version will do: {only} or {later}"
            )
    close = difflib.get_close_matches(text.lower()[:60], known, n=5, cutoff=0.5)
    near = f"Did you mean {', '.join(known[name] for name in close)}? " if close else ""
    raise LicenseError(
        f"--license {shown}: expected the SPDX identifier of a license, such as apache-2.0. {near}The list "
        "is https://spdx.org/licenses; a license that is not on it is LicenseRef- and its name"
    )


def license_problems(stated: str) -> Iterator[str]:
    """Yield what is wrong with a license that a manifest states."""
    try:
        if license_of(stated) != stated:
            yield f"license is {as_stated(stated)}, SPDX writes {license_of(stated)}"
    except LicenseError:
        yield f"license is {as_stated(stated)}, which SPDX does not list"


def license_notes(identifier: str) -> Iterator[str]:
    """Yield what a publisher should know of a license of their own."""
    if _OWN.fullmatch(identifier):
        yield f"the license {identifier} is not on SPDX's list: put its text where readers find it"


def hub_metadata(identifier: str) -> dict[str, str]:
    """Return the keys by which the hub's metadata say a license: by the hub's name, or as another one."""
    lower = identifier.lower()
    name = _HUB_NAMES.get(lower, lower if lower in _OF_THE_HUB else None)
    if name is not None:
        return {"license": name}
    other = {"license": "other", "license_name": lower.removeprefix("licenseref-")}
    if not _OWN.fullmatch(identifier):
        other["license_link"] = f"https://spdx.org/licenses/{identifier}.html"
    return other
