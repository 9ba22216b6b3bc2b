"""Strict parameters: what papermill lets pass with a warning stops here, with a message.

In: a notebook's parameters (the cell tagged `parameters`, and before it cells tagged `defaults` with those that are set
more rarely; their literals give names and types) and values from the kernel or from a YAML file. papermill writes what
it is given after the one cell tagged `parameters`, so over all of them; of names in the cells before it papermill alone
says that it does not know them, and sets them. Out: the checked values. The code cell after the parameters calls
`check`; the runner calls `check_file` for every YAML file before anything starts. Not in the paper.
"""

import ast
import difflib
import json
import re
from pathlib import Path
from typing import Any

import yaml

from webdancer.core.record import repo_root

ITEM_TYPES = (bool, int, float, str)
TAGS = {"parameters", "defaults"}  # of the cells that hold parameters


class ParameterError(ValueError):
    """A parameter that is unknown, missing or of the wrong type; the message says which, where, got and wanted."""


def defaults(notebook: str | Path) -> dict[str, Any]:
    """Names and default values in the notebook's cells of parameters, in order.

    Args:
        notebook: a name such as "01_crawl", or the path of an `.ipynb` file.
    Raises:
        ParameterError: no notebook; not exactly one cell tagged `parameters`, or `defaults` after it; a name given
            twice; a line that is not `name = literal`.
    """
    path = Path(notebook) if str(notebook).endswith(".ipynb") else repo_root() / "notebooks" / f"{notebook}.ipynb"
    if not path.is_file():
        raise ParameterError(f"there is no notebook {path.name}: wanted a name such as '01_crawl'")
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    tags = [TAGS & set(c.get("metadata", {}).get("tags", ())) for c in cells]
    number = tags.count({"parameters"})
    if number != 1:
        raise ParameterError(f"{path.name}: got {number} cells tagged 'parameters', wanted exactly one")
    at = tags.index({"parameters"})
    if any(tags[at + 1 :]):
        raise ParameterError(f"{path.name}: a cell tagged 'defaults' after the parameters would undo what is set there")
    found: dict[str, Any] = {}
    for cell in (c for c, tag in zip(cells, tags, strict=True) if tag):
        more = _assignments("".join(cell["source"]), path.name)
        if twice := sorted(found.keys() & more):
            raise ParameterError(f"{path.name}: {', '.join(twice)} given twice: keep one")
        found |= more
    for name, value in found.items():
        if not isinstance(value, (*ITEM_TYPES, list)) or not _flat(value):
            raise ParameterError(
                f"{path.name}: {name} = {value!r}: wanted a number, a string, a truth value or a flat list"
            )
    return found


def check(notebook: str, namespace: dict[str, Any]) -> dict[str, Any]:
    """The notebook's parameters as they stand in `namespace`, checked.

    Args:
        notebook: its name, for example "01_crawl". `namespace`: `globals()` of the notebook.
    Returns: name to value, in the order of the parameters cell; an int given for a float comes back as float.
    Raises:
        ParameterError: a parameter is missing, has the wrong type, or papermill injected an unknown one.
    """
    wanted = defaults(notebook)
    where = f"{notebook}, parameters"
    injected = [cell for cell in namespace.get("In", ()) if cell.startswith("# Parameters\n")]  # papermill's own cell
    _no_unknown([name for cell in injected for name in _assignments(cell, where)], wanted, where)
    missing = [name for name in wanted if name not in namespace]
    if missing:
        raise ParameterError(f"{where}: {', '.join(missing)} not set: run the parameters cell first")
    return {name: _checked(name, namespace[name], default, where) for name, default in wanted.items()}


def check_file(yaml_path: str | Path, notebook: str | Path) -> dict[str, Any]:
    """The parameters of a notebook with the values of a YAML file over the defaults, checked as in `check`.

    Raises:
        ParameterError: also for invalid YAML, a list at the top, a name given twice.
    """
    path, wanted = Path(yaml_path), defaults(notebook)
    where = f"{path.parent.name}/{path.name}"
    try:
        text = path.read_text(encoding="utf-8")
        tree, values = yaml.compose(text, yaml.SafeLoader), yaml.safe_load(text)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ParameterError(f"{where}: cannot be read as YAML: {error}") from error
    if values is not None and not isinstance(values, dict):
        raise ParameterError(f"{where}: got a {type(values).__name__}, wanted lines of the form `name: value`")
    names = [key.value for key, _ in tree.value] if values else []
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ParameterError(f"{where}: {', '.join(twice)} given twice: keep one")
    _no_unknown(names, wanted, where)
    return {name: _checked(name, (values or {}).get(name, default), default, where) for name, default in wanted.items()}


def _assignments(source: str, where: str) -> dict[str, Any]:
    """The `name = literal` lines of a cell."""
    found: dict[str, Any] = {}
    for node in ast.parse(source).body:
        targets = node.targets if isinstance(node, ast.Assign) else []
        if len(targets) != 1 or not isinstance(targets[0], ast.Name):
            raise ParameterError(
                f"{where}, line {node.lineno} of the parameters: wanted `name = literal` and nothing else"
            )
        try:
            found[targets[0].id] = ast.literal_eval(node.value)
        except ValueError as error:
            text = ast.get_source_segment(source, node)
            raise ParameterError(f"{where}: got `{text}`, wanted a literal: derive values in a later cell") from error
    return found


def _no_unknown(names: list[str], wanted: dict[str, Any], where: str) -> None:
    for name in names:
        if name not in wanted:
            near = difflib.get_close_matches(str(name), wanted, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(wanted)}"
            raise ParameterError(f"{where}: unknown parameter {name}: {hint}")


def _checked(name: str, value: Any, default: Any, where: str) -> Any:
    """`value` if it has the type of `default`; of a list every item must have the type of the default's items."""
    if not isinstance(default, list):
        return _scalar(name, value, type(default), where)
    if not isinstance(value, list) or not _flat(value):
        raise ParameterError(f"{where}: {name}: got {value!r:.80}, wanted a flat list such as {default!r}")
    kind = type(default[0]) if default else (type(value[0]) if value else str)
    return [_scalar(f"{name}[{i}]", item, kind, where) for i, item in enumerate(value)]


def _scalar(name: str, value: Any, kind: type, where: str) -> Any:
    if kind is float and type(value) is int:
        return float(value)
    if type(value) is kind:
        return value
    hint = ""
    if kind is float and isinstance(value, str):
        hint = " (YAML reads 1e-5 as a string: write 1.0e-5)"
    raise ParameterError(f"{where}: {name}: got {value!r:.80} ({type(value).__name__}), wanted {kind.__name__}{hint}")


def _flat(value: Any) -> bool:
    return all(type(item) in ITEM_TYPES for item in value) if isinstance(value, list) else True


def folder_of(profile: str) -> str:
    """The folder of `params/` that a run took its values from: a run with another seed has its profile's.

    >>> folder_of("laptop_seed1"), folder_of("quick")
    ('laptop', 'quick')
    """
    return re.sub(r"_seed\d+$", "", profile)
