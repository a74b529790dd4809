"""Names and texts as SQL takes them."""

__all__ = ["quote_name", "quote_text"]


def quote_name(name: str) -> str:
    """The name as SQL takes it, whatever it holds."""
    return '"' + name.replace('"', '""') + '"'


def quote_text(text: str) -> str:
    """The text as a literal of SQL."""
    return "'" + text.replace("'", "''") + "'"
