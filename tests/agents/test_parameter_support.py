import orjson
import pytest

from populace.agents.endpoint.errors import RequestError, error_of_status, words_of
from populace.agents.gateway.capabilities import ParameterSupport
from populace.core.model import Outcome

EVERYTHING = ParameterSupport().arguments(seed=7, max_tokens=64)


def refused(words: str, status: int = 400) -> RequestError:
    return error_of_status(status, words)


def test_what_is_not_known_to_be_refused_is_sent() -> None:
    assert EVERYTHING == {"seed": 7, "max_tokens": 64}
    assert ParameterSupport().arguments(seed=7, max_tokens=0) == {"seed": 7}


@pytest.mark.parametrize(
    "words",
    [
        "Unsupported parameter: 'seed' is not supported with this model.",
        'Invalid JSON payload received. Unknown name "seed": Cannot find field.',
        "the model does not support parameters: {'seed': 7}",
        "Unrecognized request argument supplied: seed",
        "body.seed: Extra inputs are not permitted",
        "Parameter seed isn't supported.",
    ],
)
def test_a_refusal_that_names_the_seed_is_about_the_seed(words: str) -> None:
    assert ParameterSupport().find_blamed(refused(words), EVERYTHING) == "seed"


@pytest.mark.parametrize(
    "words",
    [
        "This model's maximum context length is 8 tokens.",
        "max_tokens is too large: 64. This model supports at most 32 completion tokens.",
        "response_format of type json_schema is not supported.",
        'Unknown name "random_seed"',
        "Not allowed: a prompt about sunflower seeds.",
        "",
    ],
)
def test_a_refusal_for_anything_else_blames_no_parameter(words: str) -> None:
    assert ParameterSupport().find_blamed(refused(words), EVERYTHING) is None


def test_only_a_refused_request_blames_its_parameters() -> None:
    words = "seed is not supported"
    assert ParameterSupport().find_blamed(refused(words, 422), EVERYTHING) == "seed"
    assert ParameterSupport().find_blamed(refused(words, 500), EVERYTHING) is None
    assert ParameterSupport().find_blamed(refused(words), {"max_tokens": 64}) is None


def test_a_chat_model_that_knows_no_such_argument_is_told_without_it() -> None:
    fault = RequestError(Outcome.MODEL_ERROR, "generate() got an unexpected keyword argument 'seed'")
    assert ParameterSupport().find_blamed(fault, EVERYTHING) == "seed"


def test_the_limit_of_length_is_asked_for_by_its_newer_name_and_then_not_at_all() -> None:
    dialect = ParameterSupport()
    older = refused("Unsupported parameter: 'max_tokens' is not supported. Use 'max_completion_tokens' instead.")
    assert dialect.find_blamed(older, EVERYTHING) == "max_tokens"
    arguments = dialect.arguments(seed=7, max_tokens=64, without={"max_tokens"})
    assert arguments == {"seed": 7, "extra_body": {"max_completion_tokens": 64}}
    newer = refused("Unknown parameter: 'max_completion_tokens'.")
    assert dialect.find_blamed(newer, arguments) == "max_completion_tokens"
    assert dialect.arguments(seed=7, max_tokens=64, without={"max_tokens", "max_completion_tokens"}) == {"seed": 7}


def test_what_one_request_was_refused_for_is_settled_by_an_answer_alone() -> None:
    dialect = ParameterSupport()
    assert dialect.arguments(seed=7, max_tokens=0, without={"seed"}) == {}
    assert dialect.arguments(seed=7, max_tokens=0) == {"seed": 7}
    dialect.learn({"seed"})
    assert dialect.arguments(seed=7, max_tokens=0) == {}


def test_every_refusal_leaves_less_to_refuse() -> None:
    dialect, without = ParameterSupport(), set[str]()
    words = "seed, max_tokens and max_completion_tokens are not supported"
    while name := dialect.find_blamed(refused(words), dialect.arguments(seed=7, max_tokens=64, without=without)):
        assert name not in without
        without.add(name)
    assert dialect.arguments(seed=7, max_tokens=64, without=without) == {}


def test_a_refusal_that_says_apart_what_it_refuses_is_read_with_it() -> None:
    detail = {"type": "extra_forbidden", "loc": ["body", "seed"], "msg": "Extra inputs are not permitted", "input": 7}
    for body in ({"detail": [detail]}, {"object": "error", "message": {"detail": [detail]}}):
        words = words_of(orjson.dumps(body))
        assert words == "body.seed: Extra inputs are not permitted"
        assert ParameterSupport().find_blamed(refused(words, 422), EVERYTHING) == "seed"
