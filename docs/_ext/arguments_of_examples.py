"""The arguments with which the site runs an example: small data, for a quick build."""

from pathlib import Path

ARGUMENTS = {"larger_than_memory.py": ["--gigabytes", "1"]}


def of(gallery_conf: dict, script_vars: dict) -> list[str]:
    """Return the arguments of a script."""
    return ARGUMENTS.get(Path(script_vars["src_file"]).name, [])
