"""The structure of triport/ in numbers: import circles, long functions and files, wide functions, names.

python benchmarks/structure.py [--root DIR]

Reads the source alone (ast). An import inside of a function or for type checking only makes no circle: it
happens later, or never. tests/test_layout.py says how many of each there may be.
"""

from __future__ import annotations

import argparse
import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

TRIPORT = Path(__file__).resolve().parent.parent / "triport"
MOST_LINES_OF_A_FUNCTION = 60
MOST_ARGUMENTS = 8
MOST_LINES_OF_A_FILE = 400


def module_of(path: Path, root: Path) -> str:
    """Return the name under which a file is imported."""
    parts = path.relative_to(root.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports_of(path: Path, root: Path, modules: set[str]) -> set[str]:
    """Return the modules of ours that a file imports as it is imported itself."""
    name = module_of(path, root)
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    found: set[str] = set()
    for node in _at_import(tree_of(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = (
                ".".join(package.split(".")[: len(package.split(".")) - node.level + 1]) if node.level else ""
            )
            origin = ".".join(filter(None, [base, node.module]))
            for alias in node.names:
                inner = f"{origin}.{alias.name}"
                found.add(inner if inner in modules else origin)
    return (found & modules) - {name}


def _at_import(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the statements that run when a module is imported."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        yield child
        yield from _at_import(child)


@cache
def tree_of(path: Path) -> ast.Module:
    """Return the syntax tree of a file."""
    return ast.parse(path.read_text(encoding="utf-8"))


def circles(root: Path = TRIPORT) -> list[str]:
    """Return the groups of modules that import each other, each once."""
    files = {module_of(path, root): path for path in sorted(root.rglob("*.py"))}
    imports = {name: imports_of(path, root, set(files)) for name, path in files.items()}
    reached = {name: _reached(name, imports) for name in files}
    groups = {
        frozenset(other for other in reached[name] if name in reached[other])
        for name in files
        if name in reached[name]
    }
    return sorted(" <-> ".join(sorted(group)) for group in groups)


def _reached(name: str, imports: dict[str, set[str]]) -> set[str]:
    reached: set[str] = set()
    waiting = list(imports[name])
    while waiting:
        module = waiting.pop()
        if module not in reached:
            reached.add(module)
            waiting += imports[module]
    return reached


def functions(root: Path = TRIPORT) -> Iterator[tuple[str, int, int]]:
    """Yield the place of every function with its lines and its arguments, self and cls not counted."""
    for path in sorted(root.rglob("*.py")):
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                arguments = node.args
                named = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
                count = sum(argument.arg not in ("self", "cls") for argument in named)
                place = f"{path.relative_to(root.parent)}:{node.lineno} {node.name}"
                yield place, (node.end_lineno or node.lineno) - node.lineno + 1, count


def long_functions(root: Path = TRIPORT) -> list[str]:
    """Return the functions that are too long, with their lines."""
    return [f"{place}: {lines}" for place, lines, _ in functions(root) if lines > MOST_LINES_OF_A_FUNCTION]


def wide_functions(root: Path = TRIPORT) -> list[str]:
    """Return the functions with too many arguments, with how many."""
    return [f"{place}: {count}" for place, _, count in functions(root) if count > MOST_ARGUMENTS]


def long_files(root: Path = TRIPORT) -> list[str]:
    """Return the files that are too long, with their lines."""
    counts = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in sorted(root.rglob("*.py"))}
    return [
        f"{path.relative_to(root.parent)}: {count}"
        for path, count in counts.items()
        if count > MOST_LINES_OF_A_FILE
    ]


def shared_names(root: Path = TRIPORT) -> list[str]:
    """Return the public classes of modules that have one name, with their files.

    Networks of a family, and the pieces of imported networks, are written once for each framework, and are
    called alike in both.
    """
    found: dict[str, list[str]] = {}
    for path in sorted(root.rglob("*.py")):
        if "pieces" in path.parts or (path.parent / "net_torch.py").exists():
            continue
        for node in tree_of(path).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                found.setdefault(node.name, []).append(str(path.relative_to(root.parent)))
    return [f"{name}: {', '.join(paths)}" for name, paths in sorted(found.items()) if len(paths) > 1]


MEASURES = {
    "import circles": circles,
    f"functions over {MOST_LINES_OF_A_FUNCTION} lines": long_functions,
    f"functions with more than {MOST_ARGUMENTS} arguments": wide_functions,
    f"files over {MOST_LINES_OF_A_FILE} lines": long_files,
    "names that several classes have": shared_names,
}


def main() -> None:
    """Print how many there are of each, and where."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--root", type=Path, default=TRIPORT)
    root = parser.parse_args().root.resolve()
    for name, measure in MEASURES.items():
        places = measure(root)
        print(f"{name}: {len(places)}")
        for place in places:
            print(f"  {place}")


if __name__ == "__main__":
    main()
