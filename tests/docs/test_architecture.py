"""Imports of the package point downwards only, without cycles, lazy and type-only ones included; no
test file imports another."""

import ast
import graphlib
from pathlib import Path

ROOT = Path(__file__).parents[2]
VALUES = {"optimizers", "schedules", "history", "preprocessing"}
BASE = {"base", "kernels.abi"}
FUNCTIONAL = {"base", "runtime", "kernels"}
ENGINE = FUNCTIONAL | VALUES
SERIALIZATION = ENGINE | {"engine", "_version"}
TRAINING = SERIALIZATION | {"serialization", "callbacks"}
MLP = TRAINING | {"training", "export", "graph"}
ABOVE_MLP = MLP | {"mlp"}
# The packages and modules ("rooms") that each one may import, itself apart.
MAY_IMPORT = {
    "_version": set(),
    "kernels": set(),
    "base": {"kernels.abi"},
    "runtime": {"base", "kernels"},
    "engine": ENGINE,
    "serialization": SERIALIZATION,
    "training": TRAINING,
    **dict.fromkeys(VALUES, BASE | VALUES),
    "callbacks": {"base", "history"},
    **dict.fromkeys(("export", "graph"), BASE | VALUES | {"_version"}),
    "functional": FUNCTIONAL,
    "patching": {"base"},
    "accel": {"base", "patching"},
    "sklearn": ENGINE | {"engine", "export", "patching"},
    "mlp": MLP,
    **dict.fromkeys(("importers", "loading", "gradcheck", "warmup", "lr_finder"), ABOVE_MLP),
    "plot": ABOVE_MLP | {"importers", "gradcheck", "lr_finder"},
    "__main__": {"cli"},
}
EVERYTHING = {"cli", "__init__"}  # may import everything
FILES = {
    ".".join(("fastbp", *prefix, *file.relative_to(folder).with_suffix("").parts)): file
    for folder, prefix in ((ROOT / "src" / "fastbp", ()), (ROOT / "kernels", ("kernels",)))
    for file in folder.rglob("*.py")
}


def imported_names(file, module=""):
    """Dotted names that a file imports anywhere; `module` is its own name, for relative imports."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = module.split(".")[: -node.level] if node.level else []
            start += [node.module] if node.module else []
            yield from (".".join([*start, alias.name]) for alias in node.names)


def module_of(name):
    """The module of fastbp that a dotted name lies in; a package is its `__init__`."""
    while name not in FILES and f"{name}.__init__" not in FILES:
        name = name.rpartition(".")[0]
    return name if name in FILES else f"{name}.__init__"


def room(module):
    return module.split(".")[1]


IMPORTS = {
    module: {
        module_of(name) for name in imported_names(file, module) if name.split(".")[0] == "fastbp"
    }
    for module, file in FILES.items()
}


def test_imports_point_downwards():
    assert {room(module) for module in FILES} <= set(MAY_IMPORT) | EVERYTHING
    refused = [
        f"{module} -> {target}"
        for module, targets in IMPORTS.items()
        if room(module) not in EVERYTHING
        for target in targets
        if not {room(target), target.removeprefix("fastbp.")}
        & (MAY_IMPORT.get(room(module), set()) | {room(module)})
    ]
    assert not refused, "\n".join(sorted(refused))


def test_no_cycle():
    tuple(graphlib.TopologicalSorter(IMPORTS).static_order())


def test_few_files_in_the_root():
    assert len(list((ROOT / "src" / "fastbp").glob("*.py"))) <= 16


def test_no_test_imports_another():
    for file in (ROOT / "tests").rglob("*.py"):
        assert not [name for name in imported_names(file) if "test_" in name], file.name
