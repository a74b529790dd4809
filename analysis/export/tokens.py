"""How many tokens a text has: by a tokenizer that is named, or estimated."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ...personas.errors import SetupError, install_extra, parameter

#: Gives the number of tokens of each text.
type TokenCounter = Callable[[Sequence[str]], list[int]]

#: Scripts whose characters are about a token each: kana, Chinese characters and Hangul.
_WIDE = re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff]")
_CHARACTERS = 4


def estimated_tokens(text: str) -> int:
    """About how many tokens a text has, where no tokenizer is named: one for four characters, and for each CJK one.

    >>> estimated_tokens("Mend the bridge."), estimated_tokens("修理桥梁"), estimated_tokens("")
    (4, 4, 0)
    """
    wide = 0 if text.isascii() else len(_WIDE.findall(text))
    return wide + -(-(len(text) - wide) // _CHARACTERS)


def open_tokenizer(name: str) -> TokenCounter:
    """The counter of a tokenizer: a `tokenizer.json` file, an encoding or model of tiktoken, or a model of the hub.

    Raises `SetupError` when there is none of this name, or it would have to be fetched and cannot be.
    """
    if name.endswith(".json") or Path(name).is_file():
        return _from_file(Path(name))
    found = _from_tiktoken(name)
    return found or _from_hub(name)


def _from_file(path: Path) -> TokenCounter:
    if not path.is_file():
        raise SetupError(f"There is no file {str(path)!r} for {parameter('tokenizer')}; give a tokenizer.json.")
    try:
        return _batched(_tokenizers().from_file(str(path)))
    except Exception as error:
        if isinstance(error, SetupError):
            raise
        raise SetupError(
            f"{str(path)!r} is no tokenizer ({_first_line(error)}); give the tokenizer.json of a model."
        ) from error


def _from_tiktoken(name: str) -> TokenCounter | None:
    try:
        import tiktoken
    except ModuleNotFoundError:
        return None
    try:
        encoding_name = name if name in tiktoken.list_encoding_names() else tiktoken.encoding_name_for_model(name)
    except KeyError:
        return None
    try:
        encoding = tiktoken.get_encoding(encoding_name)
    except Exception as error:
        raise _unreachable(name, error) from error

    def count(texts: Sequence[str]) -> list[int]:
        return [len(tokens) for tokens in encoding.encode_ordinary_batch(list(texts), num_threads=2)]

    return count


def _from_hub(name: str) -> TokenCounter:
    try:
        return _batched(_tokenizers().from_pretrained(name))
    except SetupError:
        raise
    except Exception as error:
        raise _unreachable(name, error) from error


def _tokenizers() -> Any:
    try:
        from tokenizers import Tokenizer
    except ModuleNotFoundError:
        raise SetupError(
            f"{parameter('tokenizer')} needs the library tokenizers: {install_extra('data')}; the encodings of "
            "tiktoken, such as cl100k_base, do without."
        ) from None
    return Tokenizer


def _batched(tokenizer: Any) -> TokenCounter:
    tokenizer.no_truncation()
    tokenizer.no_padding()

    def count(texts: Sequence[str]) -> list[int]:
        return [len(one) for one in tokenizer.encode_batch(list(texts), add_special_tokens=False)]

    return count


def _unreachable(name: str, error: Exception) -> SetupError:
    return SetupError(
        f"The tokenizer {name!r} is not on this machine and cannot be fetched ({_first_line(error)}); give the path of "
        f"a tokenizer.json, or leave {parameter('tokenizer')} out for an estimate."
    )


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(". ")[:120]
