"""The rules of the repository itself: sizes, names, types, tests one for one, pins, and no trace of a machine."""

import ast
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from webdancer import tables

ROOT = Path(__file__).parents[1]
MODULES = sorted(p for p in (ROOT / "src").rglob("*.py"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

each = pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT / "src")))


def functions(path: Path) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]


@each
def test_a_module_is_short_and_says_what_it_is_for(path):
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 300
    assert ast.get_docstring(ast.parse(text))
    assert path.stem not in ("utils", "util", "helper", "helpers", "manager", "common", "misc")


@each
def test_functions_are_short_and_typed(path):
    for function in functions(path):
        lines = function.end_lineno - function.lineno + 1
        if ast.get_docstring(function):
            lines -= function.body[0].end_lineno - function.body[0].lineno + 1
        assert lines <= 40, f"{function.name} has more than 40 lines beside its docstring"
        arguments = function.args.posonlyargs + function.args.args + function.args.kwonlyargs
        untyped = [a.arg for a in arguments if a.annotation is None and a.arg not in ("self", "cls")]
        assert not untyped and function.returns is not None, f"{function.name}: no types on {untyped or 'the result'}"


@each
def test_a_module_has_its_test_file(path):
    if path.stem != "__init__":
        assert (ROOT / "tests" / f"test_{path.stem}.py").is_file()


@each
def test_imports_go_one_way(path):
    """core <- web <- agent <- stages <- show, run, scale; pocketweb knows nothing of webdancer."""
    names = {node.module or "" for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ImportFrom)}
    names |= {a.name for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Import) for a in n.names}
    rooms = ["webdancer.core", "webdancer.web", "webdancer.agent"]
    where = ".".join(path.relative_to(ROOT / "src").with_suffix("").parts)
    if where.startswith("pocketweb"):
        forbidden = ("webdancer",)
    else:
        level = next((i for i, room in enumerate(rooms) if where.startswith(room)), None)
        forbidden = () if level is None else (*rooms[level + 1 :], "webdancer.show", "webdancer.run", "pocketweb")
        forbidden += () if where.startswith("webdancer.scale") else ("webdancer.scale",)  # the top: nothing imports it
    assert not [n for n in names if n.startswith(forbidden or ("no such package",))]


def test_ranges_leave_the_gpu_extra_out_of_the_core():
    core = " ".join(PROJECT["dependencies"])
    assert "unsloth" not in core and "trl" not in core
    assert any(d.startswith("unsloth") for d in PROJECT["optional-dependencies"]["gpu"])
    assert any(d.startswith("trl") for d in PROJECT["optional-dependencies"]["bench"])


def test_constraints_are_exact_and_hold_no_address():
    lines = [x for x in (ROOT / "constraints.txt").read_text().splitlines() if not x.startswith("#")]
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.]+", line) for line in lines)
    assert "torch==2.13.0" in lines
    pinned = {line.split("==")[0].lower().replace("_", "-") for line in lines}
    names = {re.match(r"[A-Za-z0-9._-]+", d)[0].lower() for d in PROJECT["dependencies"]}
    assert names <= pinned, f"make constraints: {sorted(names - pinned)}"


def test_the_readme_is_short_and_says_whose_work_it_is():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 200
    assert "independent reproduction, not by the authors of WebDancer" in text


@pytest.mark.parametrize("file", tables.FILES)
def test_links_of_the_readmes_lead_somewhere(file):
    text = (ROOT / file).read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!http)([^)#]+)", text):
        assert ((ROOT / file).parent / target).exists(), f"{file} links to {target}"


def test_no_file_names_a_folder_of_somebodys_machine():
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a git checkout: nothing to list")
    for name in listed.stdout.splitlines():
        if name.endswith((".png", ".gz")) or not (ROOT / name).is_file():
            continue
        text = (ROOT / name).read_text(encoding="utf-8", errors="replace")
        assert str(Path.home()) + "/" not in text and str(ROOT.parent) + "/" not in text, name
