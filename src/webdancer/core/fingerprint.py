"""What the result of a notebook depends on, as one hash: change any of it and the notebook is stale.

In: a notebook, its parameters, the results folder. Out: a SHA-256 over the code cells (not the prose), the parameters,
the modules of this project that the cells import, directly or through one another, and what the earlier notebooks of
the profile wrote. Used by `record.Stage` (which puts it into the marker) and by `run` (which compares).
"""

import ast
import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any

PACKAGES = ("webdancer", "pocketweb")
SOURCE = Path(__file__).parents[2]  # the folder that holds both packages


def of(notebook: Path, parameters: dict[str, Any], folder: Path) -> str:
    """The fingerprint of running `notebook` with `parameters`, results in `folder`.

    Args:
        notebook: `.ipynb` file; only its code cells count, and a comment or blank line in them does not.
        parameters: all parameters, defaults included. `folder`: `results/<profile>` with the earlier markers.
    Returns: 64 hexadecimal digits.
    """
    cells = code_cells(notebook)
    parts = {
        "code": [_normal(cell) for cell in cells],
        "parameters": parameters,
        "modules": {name: _digest(name) for name in sorted(modules(cells))},
        "upstream": upstream(notebook.stem, folder),
        "roles": _roles(notebook, parameters),
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


def _roles(notebook: Path, parameters: dict[str, Any]) -> str:
    """The hash of the file that the parameter `roles` names: another model in it is another run. "" without a file."""
    path = notebook.parents[1] / str(parameters.get("roles") or "")
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


def code_cells(notebook: Path) -> list[str]:
    """Sources of the code cells, without the parameters, whose values count by themselves."""
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    skip = {"parameters", "defaults", "injected-parameters"}
    code = [c for c in cells if c["cell_type"] == "code" and not skip & set(c.get("metadata", {}).get("tags", ()))]
    return ["".join(c["source"]) for c in code]


def modules(cells: list[str]) -> set[str]:
    """Names of the project's modules that the cells import, with all that those import (also inside functions)."""
    found: set[str] = set()
    waiting = [name for cell in cells for name in _imports(_parse(cell))]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += _imports(_parse(_file(name).read_text(encoding="utf-8")))
    return found


def upstream(name: str, folder: Path) -> dict[str, dict[str, str]]:
    """Hashes of what the earlier notebooks wrote, by their markers: `{"01_crawl": {"artifacts/...": sha256}}`.

    Hashes, not the markers themselves: a re-run that wrote the same bytes leaves what follows fresh.
    """
    found = {}
    for marker in sorted(folder.glob("[0-9][0-9]_*.json")):
        if marker.stem < name:
            outputs = json.loads(marker.read_text(encoding="utf-8")).get("outputs", {})
            found[marker.stem] = {
                path: entry["sha256"] for path, entry in outputs.items() if path.startswith("artifacts/")
            }
    return found


def _parse(source: str) -> ast.Module:
    """The syntax tree of a cell or module, without IPython's `%` and `!` lines."""
    lines = [line if not line.lstrip().startswith(("%", "!")) else "" for line in source.splitlines()]
    try:
        return ast.parse("\n".join(lines))
    except SyntaxError:  # the cell will fail when it runs, with Python's own message
        return ast.Module(body=[], type_ignores=[])


def _normal(cell: str) -> str:
    """The cell without comments and layout; as it is when it does not parse."""
    tree = _parse(cell)
    return ast.dump(tree) if tree.body else cell.strip()


def _imports(tree: ast.Module) -> set[str]:
    """The project's modules named by the import statements in `tree`, packages on the way included."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    mine = [n for n in names if n.split(".")[0] in PACKAGES]
    return {
        ".".join(n.split(".")[: i + 1]) for n in mine for i in range(n.count(".") + 1) if _file(n, i + 1) is not None
    }


def _file(name: str, depth: int | None = None) -> Path | None:
    """The source file of a module (of its first `depth` parts), or None: a function has no file of its own."""
    path = SOURCE.joinpath(*name.split(".")[:depth])
    return next((p for p in (path.with_suffix(".py"), path / "__init__.py") if p.is_file()), None)


@cache
def _read_once(path: Path, changed: int) -> str:
    return hashlib.sha256(ast.dump(ast.parse(path.read_text(encoding="utf-8"))).encode()).hexdigest()


def _digest(name: str) -> str:
    """Hash of a module's code; comments do not count."""
    path = _file(name)
    return _read_once(path, path.stat().st_mtime_ns)


def carried_on(marker: Path, name: str, old: str, new: str) -> bool:
    """Whether later notebooks took up an output and rewrote it, as 04 does with the questions of 02.

    Args:
        marker: of the notebook that wrote the output; those of later notebooks lie beside it.
        name: of the output in the markers. old, new: sha256 of it then and now.
    """
    for path in sorted(marker.parent.glob("[0-9][0-9]_*.json")):
        if path.stem > marker.stem and old != new:
            try:
                later = json.loads(path.read_text(encoding="utf-8"))
                if later["inputs"].get(name, {}).get("sha256") == old:
                    old = later["outputs"].get(name, {}).get("sha256", old)
            except (ValueError, KeyError, TypeError, AttributeError):
                continue  # a marker that cannot be read is its own notebook's trouble
    return old == new
