"""The state folder: where the processes of one machine keep what they share."""

from __future__ import annotations

import os
from pathlib import Path

from livetransfer.errors import ConfigurationError

__all__ = ["VARIABLE", "state_folder"]

VARIABLE = "LIVETRANSFER_STATE"
"""The environment variable that names another folder."""


def state_folder(given: str | os.PathLike[str] | None = None) -> Path:
    """Return the state folder; it need not exist yet.

    Args:
        given: A folder. Default: that of the environment variable ``LIVETRANSFER_STATE``, or the
            platform's own for a user's state.

    Raises:
        ConfigurationError: It is no path of a folder.
    """
    if given is None:
        given = os.environ.get(VARIABLE) or None
    if given is None:
        # Imported where it is needed: most calls name a folder, or keep nothing.
        import platformdirs

        return Path(platformdirs.user_state_dir("livetransfer", appauthor=False))
    if not isinstance(given, (str, os.PathLike)) or not str(given).strip():
        raise ConfigurationError("folder", given, "give the path of a folder")
    folder = Path(given).expanduser()
    if folder.is_file():
        raise ConfigurationError("folder", str(folder), "that is a file; name a folder")
    return folder
