"""A language model of two layers with random weights, as a GGUF file: what it says is noise, what serves it is real."""

import struct
from collections.abc import Iterator
from pathlib import Path
from string import ascii_lowercase
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: The context, in tokens, that the model is said to have been trained with.
CONTEXT = 8192

_WIDTH, _HEADS, _INNER, _LAYERS = 64, 4, 128, 2
_ALIGNMENT = 32
_UINT32, _INT32, _FLOAT32, _STRING, _ARRAY = 4, 5, 6, 8, 9
_NORMAL, _CONTROL = 1, 3

_SPECIAL = ("<|start|>", "<|turn|>", "<|end|>")
_TEMPLATE = (
    "{% for m in messages %}<|turn|>{{ m['role'] }}\n{{ m['content'] }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|turn|>assistant\n{% endif %}"
)

#: What is joined into one token, in this order; Ġ is how such vocabularies write a space.
_JOINS = (
    "Ġ+t h+e i+n Ġ+a e+r Ġ+s o+n r+e Ġ+w o+u Ġt+he e+n a+t e+s Ġ+o Ġ+b i+s o+r i+t a+n Ġ+p Ġ+c Ġ+f e+d Ġ+d a+l "
    "Ġ+m Ġ+h in+g a+r Ġo+f Ġt+o l+e s+t Ġa+n Ġan+d a+s Ġ+in o+m v+e i+c Ġ+y Ġy+ou l+l Ġ+e Ġ+n Ġ+l e+t u+s p+er "
    "per+s pers+on"
)


def write_tiny_gguf(path: Path, *, seed: int = 0) -> Path:
    """Write the model; gives its path. The same seed writes the same bytes."""
    words = _words()
    tensors = list(_tensors(np.random.default_rng(seed), len(words)))
    metadata = _metadata(words)
    written = [b"GGUF", struct.pack("<IQQ", 3, len(tensors), len(metadata))]
    written += [_string(name) + _value(value) for name, value in metadata.items()]
    offset = 0
    for name, array in tensors:
        sizes = struct.pack(f"<I{array.ndim}Q", array.ndim, *reversed(array.shape))
        written.append(_string(name) + sizes + struct.pack("<IQ", 0, offset))
        offset += _padded(array.nbytes)
    head = b"".join(written)
    weights = b"".join(array.tobytes().ljust(_padded(array.nbytes), b"\0") for _, array in tensors)
    path.write_bytes(head.ljust(_padded(len(head)), b"\0") + weights)
    return path


def _words() -> list[str]:
    # Noise would go on for ever: every fourth word ends a JSON text.
    ends = (f'{letter}{end}"' for end in ("", ".", "!", "?") for letter in ascii_lowercase)
    return [*_SPECIAL, *_alphabet(), *_JOINS.replace("+", "").split(), *ends]


def _alphabet() -> Iterator[str]:
    """One letter for each byte, as byte-level vocabularies write them: bytes that cannot be seen borrow one."""
    seen = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    borrowed = iter(range(0x100, 0x200))
    return (chr(byte if byte in seen else next(borrowed)) for byte in range(256))


def _metadata(words: list[str]) -> dict[str, Any]:
    return {
        "general.architecture": "llama",
        "general.name": "tiny noise",
        "llama.context_length": CONTEXT,
        "llama.embedding_length": _WIDTH,
        "llama.block_count": _LAYERS,
        "llama.feed_forward_length": _INNER,
        "llama.attention.head_count": _HEADS,
        "llama.attention.layer_norm_rms_epsilon": 1e-5,
        "llama.rope.dimension_count": _WIDTH // _HEADS,
        "llama.vocab_size": len(words),
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "gpt-2",
        "tokenizer.ggml.tokens": words,
        "tokenizer.ggml.token_type": [_CONTROL if word in _SPECIAL else _NORMAL for word in words],
        "tokenizer.ggml.merges": [join.replace("+", " ") for join in _JOINS.split()],
        "tokenizer.ggml.bos_token_id": 0,
        "tokenizer.ggml.eos_token_id": 2,
        "tokenizer.chat_template": _TEMPLATE,
    }


def _tensors(rng: np.random.Generator, words: int) -> Iterator[tuple[str, NDArray[np.float32]]]:
    shapes = {"token_embd": (words, _WIDTH), "output_norm": (_WIDTH,), "output": (words, _WIDTH)}
    for layer in range(_LAYERS):
        block = dict.fromkeys(("attn_q", "attn_k", "attn_v", "attn_output"), (_WIDTH, _WIDTH))
        block |= {"ffn_gate": (_INNER, _WIDTH), "ffn_up": (_INNER, _WIDTH), "ffn_down": (_WIDTH, _INNER)}
        shapes |= {f"blk.{layer}.{name}": shape for name, shape in block.items()}
        shapes |= dict.fromkeys((f"blk.{layer}.attn_norm", f"blk.{layer}.ffn_norm"), (_WIDTH,))
    for name, shape in shapes.items():
        norm = name.endswith("_norm")
        weights = np.ones(shape) if norm else rng.normal(0, 0.08, shape)
        yield f"{name}.weight", weights.astype(np.float32)


def _value(value: Any) -> bytes:
    if isinstance(value, list):
        kind = _STRING if isinstance(value[0], str) else _INT32
        return struct.pack("<IIQ", _ARRAY, kind, len(value)) + b"".join(map(_bare, value))
    return struct.pack("<I", _kind(value)) + _bare(value)


def _kind(value: str | float) -> int:
    return {str: _STRING, int: _UINT32, float: _FLOAT32}[type(value)]


def _bare(value: str | float) -> bytes:
    return _string(value) if isinstance(value, str) else struct.pack("<I" if isinstance(value, int) else "<f", value)


def _string(text: str) -> bytes:
    return struct.pack("<Q", len(text.encode())) + text.encode()


def _padded(size: int) -> int:
    return size + -size % _ALIGNMENT
