"""Executed notebooks fit to commit: no machine paths, keys or clock times, and no large pictures.

In: the notebook that papermill wrote. Out: the same notebook in `results/<profile>/`, cleaned. Used by `run`.
"""

import base64
import io
import re
from pathlib import Path
from typing import Any

import nbformat

from webdancer.core.machine import scrub_text
from webdancer.core.record import atomic_path, repo_root

LARGE = 100_000  # bytes of a picture from which it is stored with 256 colours
_CELL_FILE = re.compile(r"\S*/ipykernel_\d+/\d+\.py(:\d+)?")  # where IPython says that a warning came from


def finished(draft: Path, target: Path) -> None:
    """Move an executed notebook to `target`, cleaned; cell outputs and execution counts stay."""
    notebook = nbformat.read(draft, as_version=4)
    seconds = notebook.metadata.get("papermill", {}).get("duration")
    notebook.metadata["papermill"] = {"duration": seconds}
    for cell in notebook.cells:
        cell.metadata.pop("papermill", None)
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code":
            cell.outputs = [nbformat.from_dict(_clean(output)) for output in cell.outputs]
    with atomic_path(target) as temporary:
        nbformat.write(notebook, temporary)
    draft.unlink()


def _clean(value: Any) -> Any:
    """The output with every text cleaned; pictures (base64) keep what they show."""
    if isinstance(value, dict):
        return {k: _picture(k, v) if str(k).startswith("image/") else _clean(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_clean(v) for v in value]
    return clean_text(value) if isinstance(value, str) else value


def _picture(kind: str, data: Any) -> Any:
    """A large PNG with a palette in the place of full colour, which makes a figure about three times smaller."""
    if kind != "image/png" or not isinstance(data, str) or len(data) * 3 // 4 < LARGE:
        return data
    from PIL import Image

    out = io.BytesIO()
    with Image.open(io.BytesIO(base64.b64decode(data))) as picture:
        picture.convert("RGB").quantize(256).save(out, "PNG", optimize=True)
    return base64.b64encode(out.getvalue()).decode() if out.tell() < len(data) * 3 // 4 else data


def clean_text(text: str) -> str:
    """`text` without the paths of the environment, the checkout and the home folder, and without keys.

    >>> clean_text("/tmp/ipykernel_12/345.py:3: UserWarning: look")
    'cell: UserWarning: look'
    """
    return scrub_text(_CELL_FILE.sub("cell", text), repo_root())
