"""How a row names the file of its output. Plain values: no storage, no database."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

# The columns of a node run that name a file.
FILE_COLUMNS = ("output_file", "output_file_bytes", "output_file_sha256")


@dataclass(frozen=True, slots=True)
class OutputFile:
    """The file in which an output lies, its length, and its SHA-256."""

    name: str
    size: int
    sha256: str

    @classmethod
    def named(cls, name: str | None, size: int | None, sha256: str | None) -> OutputFile | None:
        """Return the file that the three columns name, if they name one."""
        return None if name is None or size is None or sha256 is None else cls(name, size, sha256)


def file_columns(file: OutputFile | None) -> dict[str, Any]:
    """Return the columns of a row that names a file, or none."""
    values = (None, None, None) if file is None else (file.name, file.size, file.sha256)
    return dict(zip(FILE_COLUMNS, values, strict=True))


def result_in(output: Any) -> Any:
    """Return the result of an execution, given what its output node put out."""
    return output["value"] if isinstance(output, dict) and "value" in output else output
