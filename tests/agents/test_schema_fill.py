"""Whatever the JSON Schema, the answer is valid under it, or there is none."""

import json
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from populace.agents.procedural.situation import Situation
from populace.agents.procedural.speech import Speaker
from populace.agents.schema_fill import UnsatisfiableSchemaError, fill_schema

PERSONA = "A lock keeper in her forties who greases the gates before frost and worries about a leaking gate."

names = st.sampled_from(["name", "age", "reason", "title", "mood", "price", "when", "zz", "weird key", "$x"])
texts = st.builds(
    lambda low, more, shape: {"type": "string", "minLength": low, "maxLength": low + more, **shape},
    st.integers(0, 30),
    st.integers(0, 60),
    st.just({}),
)
PATTERNS = (r"^[a-z][a-z0-9_]{2,63}$", r"^\d{1,4}$", r"^[A-Z]{2}$", r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$")
FORMATS = ("date", "date-time", "time", "email", "uuid", "uri", "ipv4", "duration", "unheard-of")
shaped = st.one_of(
    st.builds(lambda p: {"type": "string", "pattern": p}, st.sampled_from(PATTERNS)),
    st.builds(lambda f: {"type": "string", "format": f}, st.sampled_from(FORMATS)),
)


@st.composite
def numbers(draw: st.DrawFn) -> dict[str, Any]:
    kind = draw(st.sampled_from(["integer", "number"]))
    low = draw(st.integers(-1000, 1000))
    schema: dict[str, Any] = {"type": kind}
    if draw(st.booleans()):
        schema["multipleOf"] = draw(st.sampled_from([1, 3, 7, 0.5, 0.1] if kind == "number" else [1, 3, 7]))
    if draw(st.booleans()):
        schema[draw(st.sampled_from(["minimum", "exclusiveMinimum"]))] = low
    if draw(st.booleans()):
        schema[draw(st.sampled_from(["maximum", "exclusiveMaximum"]))] = low + draw(st.integers(9, 60))
    return schema


@st.composite
def arrays(draw: st.DrawFn, inner: st.SearchStrategy[dict[str, Any]]) -> dict[str, Any]:
    low = draw(st.integers(0, 3))
    schema: dict[str, Any] = {
        "type": "array",
        "items": draw(inner),
        "minItems": low,
        "maxItems": low + draw(st.integers(0, 3)),
    }
    if draw(st.booleans()):
        schema["prefixItems"] = draw(st.lists(inner, max_size=3))
    return schema


@st.composite
def objects(draw: st.DrawFn, inner: st.SearchStrategy[dict[str, Any]]) -> dict[str, Any]:
    properties = draw(st.dictionaries(names, inner, max_size=4))
    schema: dict[str, Any] = {"type": "object", "properties": properties}
    if properties:
        schema["required"] = draw(st.lists(st.sampled_from(sorted(properties)), unique=True))
    if draw(st.booleans()):
        schema["additionalProperties"] = draw(st.one_of(st.just(False), inner))
    return schema


leaves = st.one_of(
    texts,
    shaped,
    numbers(),
    st.sampled_from(
        [{"type": "boolean"}, {"type": "null"}, {}, {"type": ["string", "null"]}, {"const": {"a": [1, None]}}]
    ),
    st.builds(
        lambda values: {"enum": values},
        st.lists(st.one_of(st.integers(), st.text(), st.none()), min_size=1, max_size=4),
    ),
)
schemas = st.recursive(
    leaves,
    lambda inner: st.one_of(
        arrays(inner),
        objects(inner),
        st.builds(lambda options: {"anyOf": options}, st.lists(inner, min_size=1, max_size=3)),
        st.builds(lambda one: {"allOf": [one], "description": "the same"}, inner),
    ),
    max_leaves=8,
)


def filled(schema: Any, seed: int = 0) -> Any:
    rng = random.Random(seed)
    return fill_schema(schema, rng, Speaker(rng, Situation(persona=PERSONA)).text)


def valid(schema: Any, value: Any) -> bool:
    return bool(Draft202012Validator(schema).is_valid(json.loads(json.dumps(value))))


@given(schemas, st.integers(0, 1000))
@settings(max_examples=100, deadline=None)
def test_the_answer_is_valid_under_any_schema(schema: dict[str, Any], seed: int) -> None:
    value = filled(schema, seed)
    Draft202012Validator(schema).validate(json.loads(json.dumps(value)))


HARD: dict[str, dict[str, Any]] = {
    "unique": {"type": "array", "items": {"enum": [1, 2, 3, 4]}, "minItems": 4, "uniqueItems": True},
    "reference beside": {"$defs": {"n": {"type": "integer"}}, "$ref": "#/$defs/n", "minimum": 40},
    "no room": {"type": "number", "exclusiveMinimum": 1, "exclusiveMaximum": 1.0000000001},
}


@pytest.mark.parametrize("schema", HARD.values(), ids=HARD)
def test_hard_keywords_are_met(schema: dict[str, Any]) -> None:
    for seed in range(8):
        assert valid(schema, filled(schema, seed))


IMPOSSIBLE: dict[str, Any] = {
    "false": False,
    "false property": {"type": "object", "properties": {"x": False}, "required": ["x"]},
    "crossed lengths": {"type": "string", "minLength": 5, "maxLength": 4},
    "pattern properties": {"type": "object", "patternProperties": {"^x_": {"type": "integer"}}},
    "several parts": {"allOf": [{"const": 1}, {"const": 2}]},
    "too few values": {"type": "array", "items": {"enum": [1, 2]}, "minItems": 3, "uniqueItems": True},
    "pattern too long": {"type": "string", "pattern": "^a{9}$", "maxLength": 8},
    "intricate pattern": {"type": "string", "pattern": r"^\d{3}-\d{4}$"},
    "broken pattern": {"type": "string", "pattern": "("},
    "endless": {
        "$defs": {"n": {"type": "object", "properties": {"n": {"$ref": "#/$defs/n"}}, "required": ["n"]}},
        "$ref": "#/$defs/n",
    },
    "circle": {"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"},
    "contained": {"type": "array", "contains": {"const": "seven"}, "items": {"type": "integer"}},
    "nowhere": {"$ref": "#/$defs/missing"},
    "not anything": {"not": {}},
}


@pytest.mark.parametrize("schema", IMPOSSIBLE.values(), ids=IMPOSSIBLE)
def test_what_nothing_satisfies_is_refused(schema: Any) -> None:
    with pytest.raises(UnsatisfiableSchemaError, match="No answer can be written under the schema at #"):
        filled(schema)


def test_a_schema_that_holds_itself_comes_to_an_end() -> None:
    tree = {
        "$defs": {
            "node": {
                "type": "object",
                "properties": {
                    "value": {"type": "integer"},
                    "left": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]},
                    "rest": {"type": "array", "items": {"$ref": "#/$defs/node"}},
                },
                "required": ["value", "left", "rest"],
            }
        },
        "$ref": "#/$defs/node",
    }
    for seed in range(20):
        assert valid(tree, filled(tree, seed))


def test_texts_are_as_long_as_the_schema_has_room_for() -> None:
    properties: dict[str, Any] = {"short": {"maxLength": 20}, "long": {"minLength": 200}, "any": {}}
    schema = {"type": "object", "properties": {k: {"type": "string", **v} for k, v in properties.items()}}
    answer = filled({**schema, "required": list(properties)}, 3)
    assert len(answer["short"].split()) <= 3
    assert len(answer["any"].split()) > 4
    assert answer["long"].startswith(("I ", "It ", "As "))


def test_proposed_values_are_taken_where_the_schema_allows_them() -> None:
    schema = {
        "type": "object",
        "properties": {
            "age": {"type": "integer", "maximum": 10},
            "name": {"type": "string"},
            "none": {"type": "array"},
            "who": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        },
        "required": ["age", "name", "none", "who"],
    }
    rng = random.Random(1)
    given = {"age": 40, "name": "Ada", "none": [], "who": None, "unheard": 1}
    answer = fill_schema(schema, rng, lambda *_: "words", given)
    assert answer["age"] <= 10
    assert (answer["name"], answer["none"], answer["who"]) == ("Ada", [], None)
    assert "unheard" not in answer


def test_the_option_of_a_union_is_the_one_that_was_proposed() -> None:
    options = [
        {"type": "object", "properties": {"kind": {"const": kind}, "x": {"type": "integer"}}, "required": ["kind", "x"]}
        for kind in ("a", "b", "c")
    ]
    for seed in range(10):
        answer = fill_schema({"anyOf": options}, random.Random(seed), lambda *_: "words", {"kind": "b", "x": 3})
        assert answer == {"kind": "b", "x": 3}


def test_a_list_of_texts_does_not_repeat_itself() -> None:
    opinions = filled({"type": "array", "items": {"type": "string"}, "minItems": 4, "maxItems": 4})
    assert len(set(opinions)) == 4
