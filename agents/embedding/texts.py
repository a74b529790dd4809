"""Texts on their way to an embedding model: cut where they are too long, put together into requests."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

__all__ = ["Batching", "Snippet", "halves"]

#: Bytes of UTF-8 that are reckoned as one token: prose has four and more, other scripts and code have less.
_BYTES = 3


@dataclass(frozen=True, slots=True)
class Snippet:
    """A text as it is sent, by the hash of the whole."""

    hash: str
    text: str
    #: Whether some of it was left out.
    is_cut: bool = False

    @property
    def tokens(self) -> int:
        """About how many tokens it has, reckoned on the safe side."""
        return -(-len(self.text.encode("utf-8", "replace")) // _BYTES)

    def first_half(self) -> "Snippet":
        """The beginning of it, half as long."""
        data = self.text.encode("utf-8", "replace")
        return replace(self, text=_head(data[: len(data) // 2]), is_cut=True)


@dataclass(frozen=True, slots=True)
class Batching:
    """How much one request holds at most; tokens are estimated on the safe side."""

    texts: int = 256
    tokens: int = 8_000
    #: Tokens of one text; what is longer is cut.
    longest: int = 8_191

    def batches(self, texts: Mapping[str, str]) -> Iterator[tuple[Snippet, ...]]:
        """The texts, given by their hashes, in requests. One that is too long for the others goes alone."""
        batch: list[Snippet] = []
        tokens = 0
        for snippet in self._cut(texts.items()):
            if batch and (len(batch) == self.texts or tokens + snippet.tokens > self.tokens):
                yield tuple(batch)
                batch, tokens = [], 0
            batch.append(snippet)
            tokens += snippet.tokens
        if batch:
            yield tuple(batch)

    def _cut(self, texts: Iterable[tuple[str, str]]) -> Iterator[Snippet]:
        most = self.longest * _BYTES
        for key, text in texts:
            data = text.encode("utf-8", "replace")
            yield Snippet(key, data.decode()) if len(data) <= most else Snippet(key, _head(data[:most]), is_cut=True)


def _head(data: bytes) -> str:
    """As much of the text as ends with a whole word, or, where there are no spaces, with a whole character."""
    text = data.decode(errors="ignore")
    border = max(text.rfind(" "), text.rfind("\n"))
    return text[:border] if border > len(text) // 2 else text


def halves(snippets: Sequence[Snippet]) -> tuple[tuple[Snippet, ...], tuple[Snippet, ...]]:
    """Two requests in place of one, the shorter texts first: what was too much is likely among the others."""
    ordered = sorted(snippets, key=lambda snippet: snippet.tokens)
    middle = len(ordered) // 2
    return tuple(ordered[:middle]), tuple(ordered[middle:])
