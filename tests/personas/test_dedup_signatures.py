import numpy as np
import pytest
from datasketch import MinHash
from hypothesis import given, settings
from hypothesis import strategies as st

from populace.personas.minhash import PERMUTATIONS, signature
from populace.personas.text import words

BAKER = "a night shift baker who kneads dough for three hospitals before the city wakes up every single morning"
TEXTS = [
    "",
    "...",
    "A nurse.",
    BAKER,
    " ".join(f"w{n * n}" for n in range(400)),
    "夜班面包师在医院工作",
    "हिन्दी में लिखा हुआ",
    "Straße ﬁsh",
    "ночная смена",
]


def sketch_of(some: frozenset[str] | set[str]) -> MinHash:
    sketch = MinHash(num_perm=PERMUTATIONS)
    sketch.update_batch([word.encode() for word in some])
    return sketch


@pytest.mark.parametrize("text", TEXTS)
def test_a_signature_is_bit_for_bit_that_of_datasketch(text: str) -> None:
    np.testing.assert_array_equal(signature(words(text)), sketch_of(words(text)).hashvalues)


@settings(deadline=None)
@given(st.sets(st.text(alphabet=st.characters(exclude_categories=["Cs"]))))
def test_any_set_of_words_has_the_signature_of_datasketch(some: set[str]) -> None:
    np.testing.assert_array_equal(signature(some), sketch_of(some).hashvalues)


def test_a_signature_can_be_handed_to_datasketch() -> None:
    ours = MinHash(num_perm=PERMUTATIONS, seed=1, hashvalues=signature(words(BAKER)), scheme="affine32")
    assert ours.jaccard(sketch_of(words(BAKER))) == 1.0
