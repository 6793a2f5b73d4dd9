"""Imports of the package point downwards only, without cycles, lazy and type-only ones included; no
test file imports another."""

import ast
import graphlib
from pathlib import Path

ROOT = Path(__file__).parents[2]
VALUES = {"optimizers", "schedules", "history", "preprocessing"}
BASE = {"base", "kernels.abi"}
ENGINE = {"base", "runtime", "kernels"}
SERIALIZATION = ENGINE | VALUES | {"engine"}
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
    "functional": ENGINE,
    "patching": {"base"},
    "accel": {"base", "patching"},
    "sklearn": ENGINE | VALUES | {"engine", "export", "patching"},
    "mlp": MLP,
    **dict.fromkeys(("importers", "loading", "gradcheck", "warmup", "lr_finder"), ABOVE_MLP),
    "plot": ABOVE_MLP | {"importers", "gradcheck", "lr_finder"},
    "__main__": {"cli"},
}
EVERYTHING = {"cli", "__init__"}  # may import everything


def module_files():
    """{dotted name below fastbp: file}; a package is its `__init__`."""
    files = {}
    for folder, prefix in ((ROOT / "src" / "fastbp", ()), (ROOT / "kernels", ("kernels",))):
        for file in folder.rglob("*.py"):
            parts = (*prefix, *file.relative_to(folder).with_suffix("").parts)
            files[".".join(parts)] = file
    return files


FILES = module_files()


def imported_modules(name):
    """Modules of fastbp that this one imports anywhere, also lazily and for types only."""
    for node in ast.walk(ast.parse(FILES[name].read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            base = f"fastbp.{name}".split(".")[: -node.level] if node.level else []
            base += node.module.split(".") if node.module else []
            targets = [[*base, alias.name] for alias in node.names]
        elif isinstance(node, ast.Import):
            targets = [alias.name.split(".") for alias in node.names]
        else:
            continue
        for package, *target in targets:
            if package == "fastbp":
                candidates = (".".join(target[: len(target) - n]) for n in (0, 1))
                yield next(
                    found
                    for candidate in candidates
                    for found in (candidate, f"{candidate}.__init__".lstrip("."))
                    if found in FILES
                )


IMPORTS = {name: set(imported_modules(name)) for name in FILES}


def room(name):
    return name.split(".")[0]


def test_imports_point_downwards():
    assert {room(module) for module in FILES} <= set(MAY_IMPORT) | EVERYTHING
    refused = [
        f"{module} -> {target}"
        for module, targets in IMPORTS.items()
        if room(module) not in EVERYTHING
        for target in targets
        if not {target, room(target)} & (MAY_IMPORT.get(room(module), set()) | {room(module)})
    ]
    assert not refused, "\n".join(sorted(refused))


def test_no_cycle():
    """Neither between modules nor between rooms."""
    tuple(graphlib.TopologicalSorter(IMPORTS).static_order())
    rooms = {
        name: {room(target) for target in targets} - {name} - (VALUES if name in VALUES else set())
        for name, targets in MAY_IMPORT.items()
    }
    tuple(graphlib.TopologicalSorter(rooms).static_order())


def test_few_files_in_the_root():
    assert len(list((ROOT / "src" / "fastbp").glob("*.py"))) <= 16


def test_no_test_imports_another_test():
    for file in (ROOT / "tests").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = (
                [getattr(node, "module", None) or ""] if isinstance(node, ast.ImportFrom) else []
            )
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            assert not any("test_" in name for name in names), (file.name, names)
