"""Where the documentation is published: the one place that knows its address."""

# pyproject.toml repeats it under [project.urls]; tests/test_release.py compares both.
DOCUMENTATION = "https://skxent.readthedocs.io/en/latest/"
# The page of a public name. The site's build makes one for each name in the API.
PAGE_OF_A_NAME = DOCUMENTATION + "api/skxent.{estimator_name}.html"
