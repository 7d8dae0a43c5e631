"""How Sphinx builds the documentation site. CONTRIBUTING.md has the command."""

import os
import re
import sys
import warnings
from pathlib import Path

DOCS = Path(__file__).parent
sys.path[:0] = [str(DOCS / "_ext"), str(DOCS.parent)]
os.environ.setdefault("MPLBACKEND", "Agg")

import skxent  # noqa: E402 -- after the path that finds it

project = "skxent"
author = "the authors of skxent"
copyright = author
version = release = skxent.__version__

extensions = [
    "links_of_names",
    "links_of_the_repository",
    "math_as_mathml",
    "myst_parser",
    "numpydoc",
    "pictures_of_code",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.extlinks",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_ext", "_templates", "**/GALLERY_HEADER.rst", "**/*.ipynb"]
templates_path = ["_templates"]
default_role = "code"
smartquotes = False  # default="auto" is Python, with straight quotes
nitpicky = True

# Markdown. Anchors of headings are those of GitHub.
myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 4
myst_links_external_new_tab = False
suppress_warnings = ["myst.header"]  # an included file may begin at any level

extlinks = {"doi": ("https://doi.org/%s", "doi:%s")}

# The reference: a page for each public name, from numpydoc's docstrings.
autosummary_generate = True
autodoc_typehints = "none"
toc_object_entries_show_parents = "hide"
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False

# The gallery and the tutorial: scripts that the build runs. What they warn of is an
# error, as it is where the tests run them.
sphinx_gallery_conf = {
    "examples_dirs": ["../examples", "../tutorial"],
    "gallery_dirs": ["gallery", "tutorial"],
    "filename_pattern": r"\.py$",
    "within_subsection_order": "order_of_examples.Order",
    "reset_argv": "arguments_of_examples.of",
    "default_thumb_file": str(DOCS / "_static" / "logo.svg"),
    "thumbnail_size": (480, 300),
    "doc_module": ("skxent",),
    "backreferences_dir": "gallery/examples_of",
    "abort_on_example_error": True,
    "show_signature": False,
    "show_memory": False,
    "capture_repr": (),
    "min_reported_time": 1e6,  # times differ from machine to machine
    "remove_config_comments": True,
    "download_all_examples": False,
    "copyfile_regex": r".*\.rst",
    "image_srcset": ["2x"],
    "matplotlib_animations": False,
    "reset_modules": ("matplotlib",),
    "write_computation_times": False,
}
warnings.filterwarnings("error", module="__main__")

html_theme = "pydata_sphinx_theme"
html_title = "skxent"
html_math_renderer = "mathml"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_favicon = "_static/logo.svg"
html_context = {"default_mode": "auto"}
html_show_sourcelink = False
html_copy_source = False
html_show_sphinx = False
html_theme_options = {
    "logo": {
        "text": "skxent",
        "image_light": "_static/logo.svg",
        "image_dark": "_static/logo.svg",
    },
    "navbar_persistent": ["search-button"],
    "navigation_with_keys": False,
    "show_toc_level": 2,
    "header_links_before_dropdown": 6,
    "footer_start": ["copyright"],
    "footer_end": ["theme-version"],
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
    "secondary_sidebar_items": {"**": ["page-toc"], "index": []},
}
html_sidebars = {
    "index": [],
    "benchmarks": [],
    "changelog": [],
    "start": [],
}

copybutton_exclude = ".linenos, .gp, .go"

# scikit-learn's docstrings, which estimators inherit, refer to pages of its own site.
ROLE = re.compile(r":(?:ref|term|class|func|mod|meth):`~?([^`<]*?)(?:\s*<[^`>]*>)?`")


DOI = re.compile(r"(?<![:\w])doi:(10\.\d+/[^\s`]*[^\s`.,;:)])")


def adapt_roles(
    app: object, what: str, name: str, obj: object, options: object, lines: list[str]
) -> None:
    """Turn references to other sites into plain text, and DOIs into links.

    "Added in version 1.3" in what is inherited speaks of a version of scikit-learn.
    """
    lines[:] = [
        DOI.sub(r":doi:`\1`", ROLE.sub(r"\1", line))
        for line in lines
        if not line.lstrip().startswith(".. versionadded::")
    ]


def setup(app: object) -> None:
    app.connect("autodoc-process-docstring", adapt_roles)
