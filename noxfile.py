"""The daily commands: ``nox -s tests``, ``style``, ``types``, ``docs`` and ``package``.

Each runs the part of ``.ci/run`` that the workflows run.
"""

import nox

nox.options.default_venv_backend = "none"
nox.options.sessions = ["style", "types", "tests"]


def _part(session: nox.Session, name: str) -> None:
    session.run("bash", ".ci/run", name, external=True)


@nox.session
def tests(session: nox.Session) -> None:
    """Run all tests, or those that are named: ``nox -s tests -- tests/test_laws.py``.

    They run with the Python of nox, as it is: ``pip install -e ".[dev]"`` first.
    """
    session.run("python", "-m", "pytest", *session.posargs, external=True)


@nox.session
def style(session: nox.Session) -> None:
    """Check style and format."""
    _part(session, "style")


@nox.session
def types(session: nox.Session) -> None:
    """Check types."""
    _part(session, "types")


@nox.session
def docs(session: nox.Session) -> None:
    """Check the documentation."""
    _part(session, "docs")


@nox.session
def package(session: nox.Session) -> None:
    """Build the files of a release in dist/, and check them."""
    _part(session, "package")
