"""The note beside a run file that says where its run answers SQL."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ...personas.errors import StorageError
from ...personas.files import whole_file

__all__ = ["Sidecar"]


class Sidecar(BaseModel):
    """Where a running run answers SQL, and the token that it asks for. Readable by the file's owner alone."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    #: A port of this machine's loopback interface.
    port: int = Field(ge=1, le=65535)
    #: The process that runs.
    pid: int
    token: str

    @staticmethod
    def path_of(run_file: Path) -> Path:
        """`RUN.duckdb.live` beside `RUN.duckdb`."""
        return run_file.with_name(run_file.name + ".live")

    @classmethod
    def read(cls, run_file: Path) -> "Sidecar | None":
        """The sidecar of a run file, or None when there is none that can be read."""
        try:
            return cls.model_validate_json(cls.path_of(run_file).read_bytes())
        except (OSError, ValidationError):
            return None

    def write(self, run_file: Path) -> None:
        """Put it beside the run file, in place of one that a killed run left there."""
        # It holds a token, whoever may read the run file.
        try:
            with whole_file(self.path_of(run_file), replace=True, private=True) as part:
                part.write_text(self.model_dump_json())
        except OSError as error:
            raise StorageError(
                f"Nothing can be written beside {str(run_file)!r} ({error.strerror}); make room or check rights, then "
                f"go on with `populace resume {run_file}`."
            ) from error

    def remove(self, run_file: Path) -> None:
        """Take it away, unless another run has put its own there."""
        if Sidecar.read(run_file) == self:
            self.path_of(run_file).unlink(missing_ok=True)
