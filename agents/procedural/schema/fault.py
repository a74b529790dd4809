"""The one way in which filling a schema fails."""

from ....personas.errors import SetupError

__all__ = ["UnsatisfiableSchemaError"]


class UnsatisfiableSchemaError(SetupError, ValueError):
    """No value was found that is valid under a schema; the message names the part that stood in the way."""

    def __init__(self, path: str, why: str) -> None:
        super().__init__(f"No answer can be valid under the schema at {path}: {why}. Change that part of the schema.")
        self.path = path
