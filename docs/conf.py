"""Settings of Sphinx for the site: `make docs` builds it in build/html."""

import sys
from importlib.metadata import version as installed
from pathlib import Path

from fastbp.graph import ACTIVATIONS

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_ext"))

project = "fastbp"
author = "the developers of fastbp"
copyright = "2026, the developers of fastbp. MIT licence"
version = release = installed("fastbp")

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.intersphinx",
    "sphinx.ext.mathjax",
    "numpydoc",
    "myst_parser",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
    "public_names",
    "rows",
]
templates_path = ["_templates"]
# The sources of galleries are rendered into `gallery_dirs`.
exclude_patterns = ["_*", "lessons", "**/GALLERY_HEADER.rst", "**/sg_execution_times.rst"]
suppress_warnings = ["config.cache"]  # the settings of sphinx-gallery hold functions

# A name in single backticks is a link where it names an object, and literal text elsewhere.
default_role = "py:obj"
nitpicky = True
nitpick_ignore_regex = [("py:obj", ".*")]

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3

autosummary_generate = True
autodoc_typehints = "none"  # the types stand in the docstrings
autodoc_member_order = "bysource"
numpydoc_show_class_members = False
# A docstring has every parameter, in order and with the default of the signature, and no unknown
# section. A parameter may be without a description if name and type say all.
numpydoc_validation_checks = {
    *("GL06", "GL07", "GL10", "SS01", "SS04", "PR01", "PR02", "PR03", "PR05", "PR10", "YD01"),
}
numpydoc_validation_exclude = {
    r"MLP\.(explain|to_onnx)$",  # functions of which the first parameter is the net
    r"\.(History|GradientCheck|RangeTest|DivergenceError|NetworkGraph)$",  # attributes only
    r"^fastbp\.sklearn\.MLP",  # in addition to the parameters of scikit-learn's estimators
    rf"^fastbp\.graph\.({'|'.join(ACTIVATIONS)}|exp|log|softmax|total|ACTIVATIONS)$",  # of numbers
}

# The site is built offline: the files have a line for each name that is linked to, its kind and its
# page, in version 1 of the inventory format.
intersphinx_mapping = {
    name: (address, f"inventories/{name}.txt")
    for name, address in {
        "python": "https://docs.python.org/3/",
        "numpy": "https://numpy.org/doc/stable/",
        "sklearn": "https://scikit-learn.org/stable/",
        "matplotlib": "https://matplotlib.org/stable/",
    }.items()
}

sphinx_gallery_conf = {
    "examples_dirs": ["lessons"],
    "gallery_dirs": ["learn"],
    "filename_pattern": "/",  # every file runs
    "within_subsection_order": "FileNameSortKey",
    "abort_on_example_error": True,
    "reference_url": {"fastbp": None},
    "doc_module": (),
    "download_all_examples": False,
    "show_memory": False,
    "show_signature": False,
    "min_reported_time": 1e9,
    "write_computation_times": False,
}

html_theme = "pydata_sphinx_theme"
html_title = f"fastbp {version}"
html_static_path = ["_static"]
# Pages without others below them have no list of pages at their left.
ALONE = "install quickstart interop examples file_format errors benchmarks guarantees platforms"
html_sidebars = {page: [] for page in (*ALONE.split(), "changelog", "releasing")}
html_css_files = ["fastbp.css"]
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {
    "logo": {"text": "fastbp"},
    "header_links_before_dropdown": 6,
    "show_toc_level": 2,
    "navigation_with_keys": False,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
}
html_context = {"default_mode": "auto"}
copybutton_selector = "div:not(.highlight-text):not(.highlight-none) > div.highlight > pre"
copybutton_prompt_text = r">>> |\.\.\. "
copybutton_prompt_is_regexp = True
