"""The time, as the run file keeps it."""

from datetime import UTC, datetime

__all__ = ["now"]


def now() -> datetime:
    """The present moment in UTC, without a time zone: the run file's timestamps are all UTC."""
    return datetime.now(UTC).replace(tzinfo=None)
