"""A sentence names a parameter as its reader gave it: in Python, or as an option."""

from populace.cli.guard import option
from populace.core.errors import name_parameters, parameter


def test_a_caller_in_python_reads_parameters() -> None:
    assert parameter("max_calls") == "`max_calls`"
    assert parameter("steps", 4) == "`steps=4`"


def test_a_user_of_the_command_line_reads_options() -> None:
    with name_parameters(option):
        assert parameter("max_calls") == "--max-calls"
        assert parameter("steps", 4) == "--steps 4"
        assert parameter("prices") == "--price"
        assert parameter("cache", value=False) == "--no-cache"
    assert parameter("steps") == "`steps`"


def test_a_command_may_call_a_parameter_otherwise() -> None:
    assert option("agents", 12, agents="--limit") == "--limit 12"
