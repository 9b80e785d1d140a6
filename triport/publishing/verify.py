"""Checks a published folder: nothing changed or missing, one set of bits, the same logits, no false claim.

What the folder holds is read as data; the network files in it are compared, never run. Hashes, structure,
bits and claims need no framework.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar

from triport.converters.formats import file_sha256
from triport.converters.formats.tensors import short
from triport.converters.published import MANIFEST
from triport.reference_models.errors import TriportError, counted
from triport.reference_models.result import SCHEMA_VERSION
from triport.reference_models.spec import RUNTIMES
from triport.version import __version__

from . import manifest
from .folder import BOOKKEEPING, FolderError
from .form import Form
from .forms import form_of

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at.

    Attributes:
        name: what it was.
        status: "passed", "failed" or "not run".
        detail: what was found, in words.
        problems: everything that is wrong, each with the file's name.
    """

    name: str
    status: str
    detail: str
    problems: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return what `verify --json` prints of it."""
        return {
            "name": self.name,
            "status": self.status,
            "detail": self.detail,
            "problems": list(self.problems),
        }


@dataclass(frozen=True, slots=True)
class Verification:
    """A folder and what was found out about it.

    `digest` is the manifest's; `digest_given` says that it is the one that the publisher gave elsewhere.
    Where no file was run (`computed` is False), changed weights with a manifest made for them are not seen.
    """

    folder: Path
    model: str | None
    digest: str
    checks: tuple[Check, ...]
    digest_given: bool = False
    schema_version: ClassVar[int] = SCHEMA_VERSION

    @property
    def passed(self) -> bool:
        """Whether no check failed."""
        return all(check.status != "failed" for check in self.checks)

    @property
    def computed(self) -> bool:
        """Whether any file was run on the sample."""
        return any(check.name.startswith("sample") and check.status != "not run" for check in self.checks)

    def to_dict(self) -> dict[str, Any]:
        """Return what `verify --json` prints."""
        return {
            "schema_version": self.schema_version,
            "folder": str(self.folder),
            "model": self.model,
            "digest": self.digest,
            "digest_given": self.digest_given,
            "passed": self.passed,
            "computed": self.computed,
            "checks": [check.to_dict() for check in self.checks],
        }


def verify(
    folder: Path,
    *,
    digest: str | None = None,
    runtimes: Sequence[str] = RUNTIMES,
    device: str = "cpu",
    progress: Progress = lambda step: None,
) -> Verification:
    """Check a published folder.

    Where the manifest or a file is not what it was, the later checks are not run: they would read
    what nobody vouches for.

    Args:
        folder: the published folder.
        digest: what the manifest's must be, as the publisher gave it; None takes the manifest's word.
        runtimes: where to run the sample; the files of others are said not to be run.
        device: `cpu`, `cuda[:i]` or `npu[:i]`.
        progress: is told each step.

    Raises:
        TriportError: it is no published folder, or of a newer schema; or the digest is none.
    """
    if not _is_folder(folder):
        raise FolderError(f"{short(str(folder), 300)}: is not a folder; give one that `publish` made")
    digest = None if digest is None else digest.strip().lower().removeprefix("sha256:")
    if digest is not None and not re.fullmatch("[0-9a-f]{64}", digest):
        raise FolderError(
            f"--digest {short(digest, 80) or 'without a value'}: expected the 64 digits that the publisher "
            f"gave, as `publish` prints them; with fewer, another folder could have them too"
        )
    content = manifest.read(folder)
    stated = manifest.digest_of(content)
    values, problems = _manifest_problems(folder, content, stated, digest)
    checks = [_check("manifest", f"sha256:{stated}", [f"{MANIFEST}: {problem}" for problem in problems])]
    if problems:
        checks += [_not_run(name, "the manifest cannot be relied on") for name in _NAMES[1:]]
        return Verification(folder, None, stated, tuple(checks), digest is not None)
    progress("hashing the files")
    form = form_of(values)
    problems, ignored = _file_problems(folder, values, form)
    beside = f"; not part of it: {', '.join(ignored)}" if ignored else ""
    files = counted(len(values["files"]), "file")
    checks.append(_check("files", f"{files} by SHA-256{beside}", problems))
    if problems:
        checks += [_not_run(name, "the files are not those of the manifest") for name in _NAMES[2:]]
    else:
        checks += _content_checks(folder, values, form, digest is not None, progress)
        checks += [Check(*one) for one in form.samples(folder, values, runtimes, device, progress)]
    return Verification(folder, form.title(values), stated, tuple(checks), digest is not None)


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except (OSError, ValueError):  # too long, or with a zero byte
        return False


_NAMES = ("manifest", "files", "structure", "bits", "texts", "claims", "sample")


def _manifest_problems(
    folder: Path, content: bytes, stated: str, digest: str | None
) -> tuple[dict[str, Any], list[str]]:
    """Return a manifest's values and what is wrong with it; no values where something is."""
    if (folder / MANIFEST).is_symlink():
        return {}, ["is a symbolic link"]
    problem = manifest.problem_of(content)
    if problem is None and digest is not None and stated != digest:
        problem = (
            f"its digest is {stated}, expected {short(digest)}: this is not the folder that was published"
        )
    if problem is not None:
        return {}, [problem]
    values = manifest.parsed(content)
    problems = list(islice(form_of(values).rule(values, ""), 20))
    if not problems and not manifest.is_canonical(content, values):
        problems = ["is not written as triport writes it: a key is there twice, or its text has another form"]
    return ({}, problems) if problems else (values, [])


def _check(name: str, detail: str, problems: Sequence[str]) -> Check:
    """Return a check; `detail` is what holds without problems, and is not said where there are some."""
    if problems:
        return Check(name, "failed", counted(len(problems), "problem"), tuple(problems))
    return Check(name, "passed", detail)


def _not_run(name: str, why: str) -> Check:
    return Check(name, "not run", why)


def _content_checks(
    folder: Path, values: Mapping[str, Any], form: Form, trusted: bool, progress: Progress
) -> Iterator[Check]:
    """Yield the checks of what the files say and hold."""
    for name, detail, find in form.checks:
        progress(f"checking {name}")
        problems = _safely(find or form.text_problems, folder, values)
        if name == "texts" and problems and trusted and values["triport"] != __version__:
            why = f"triport {values['triport']} wrote them, not {__version__}; the digest vouches for them"
            yield _not_run(name, why)
        else:
            yield _check(name, detail(values), problems)


def _safely(
    find: Callable[[Path, Mapping[str, Any]], Iterator[str]], folder: Path, values: Mapping[str, Any]
) -> list[str]:
    """Return the problems that a check finds; what makes it fail is one too."""
    try:
        return list(find(folder, values))
    except TriportError as error:
        return [short(str(error), 1000)]
    except Exception as error:  # whatever a forged file makes a parser raise is a finding
        return [
            f"a file that {MANIFEST} lists is not of the form that triport writes: {short(repr(error), 300)}"
        ]


def _file_problems(folder: Path, values: Mapping[str, Any], form: Form) -> tuple[list[str], list[str]]:
    """Return what is wrong with the files, and which others are a hub's bookkeeping."""
    files = values["files"]
    problems, ignored = [], []
    expected, others = form.files(values)
    for name in sorted(expected - files.keys()):
        problems.append(f"{MANIFEST}: does not list {name}")
    allowed = expected | others
    for name, entry in files.items():
        problem = _file_problem(folder / name, entry) if name in allowed else None
        if name not in allowed:
            problems.append(
                f"{MANIFEST}: lists {short(name)}, which `publish` does not write for {form.title(values)}"
            )
        elif problem:
            problems.append(f"{name}: {problem}")
    for path in sorted(folder.iterdir()):
        if path.name in BOOKKEEPING:
            ignored.append(path.name)
        elif path.name not in files and path.name != MANIFEST:
            problems.append(f"{short(path.name)}: is not in the manifest")
    return problems, ignored


def _file_problem(path: Path, entry: Mapping[str, Any]) -> str | None:
    """Return what is wrong with one file, None where its bytes are the manifest's."""
    try:
        found = path.lstat()
        if stat.S_ISLNK(found.st_mode):
            return "is a symbolic link: what it leads to is not part of the folder"
        if not stat.S_ISREG(found.st_mode):
            return "is no regular file"
        if found.st_size != entry["size"]:
            return f"has {found.st_size:,} bytes, the manifest says {entry['size']:,}"
        if file_sha256(path) != entry["sha256"]:
            return "was changed: its SHA-256 is not the manifest's"
    except FileNotFoundError:
        return "is missing"
    except (OSError, TriportError) as error:
        return f"cannot be read: {getattr(error, 'strerror', None) or error}"
    return None
