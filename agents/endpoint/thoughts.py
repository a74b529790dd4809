"""What a reasoning model thought before its answer, where it writes that into the answer itself."""

import re

_OPENING = re.compile(r"\s*<(think|thinking)>", re.IGNORECASE)
_CLOSING = re.compile(r"</think(?:ing)?>", re.IGNORECASE)


def split_thoughts(text: str) -> tuple[str, str]:
    """Return what is in `<think>` at the beginning of a text, and the answer after it. Both may be empty.

    A block that is not closed was cut off. All of it is thought then, and there is no answer. `</think>` alone means
    that the prompt's template had opened the block.
    """
    thoughts: list[str] = []
    rest = text
    while opening := _OPENING.match(rest):
        inside, end = _closed(rest, opening.end(), opening[1])
        thoughts.append(inside)
        rest = rest[end:]
    if not thoughts and not text.lstrip().startswith(("{", "[")) and (closing := _CLOSING.search(text)):
        thoughts, rest = [text[: closing.start()]], text[closing.end() :]
    if not thoughts:
        return "", text
    return "\n\n".join(one.strip() for one in thoughts if one.strip()), rest.lstrip()


def _closed(text: str, start: int, tag: str) -> tuple[str, int]:
    """Return the content of a block that begins at `start`, and the position where the block ends."""
    depth = 1
    for mark in re.finditer(rf"<(/?){tag}>", text[start:], re.IGNORECASE):
        depth += -1 if mark[1] else 1
        if depth == 0:
            return text[start : start + mark.start()], start + mark.end()
    # A thought may speak of its own tag: then the last closing one ends it.
    closings = list(_CLOSING.finditer(text, start))
    return (text[start : closings[-1].start()], closings[-1].end()) if closings else (text[start:], len(text))
