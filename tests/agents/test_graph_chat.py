"""A compiled LangGraph graph of the user's own as the model of a run."""

import asyncio
from pathlib import Path
from typing import Any, TypedDict

import pytest
from langchain_core.messages import AIMessage, HumanMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, MessagesState, StateGraph

import populace
from populace.agents.endpoint.models import open_model
from populace.core.errors import SetupError
from populace.sim.interview import interview


def tokens(number: int) -> dict[str, int]:
    return {"input_tokens": number, "output_tokens": 1, "total_tokens": number + 1}


async def think(state: MessagesState) -> dict[str, Any]:
    return {"messages": [AIMessage("Let me think.", usage_metadata=tokens(5))]}


async def answer(state: MessagesState) -> dict[str, Any]:
    said = '{"kind": "instruction", "text": "Where is the ferry?"}'
    return {"messages": [AIMessage(said, usage_metadata=tokens(7))]}


def build(**options: Any) -> Any:
    graph = StateGraph(MessagesState)
    graph.add_node("think", think)
    graph.add_node("answer", answer)
    graph.add_edge(START, "think")
    graph.add_edge("think", "answer")
    graph.add_edge("answer", END)
    return graph.compile(**options)


@pytest.mark.parametrize("options", [{}, {"checkpointer": InMemorySaver()}])
def test_a_graph_is_asked_with_messages_and_its_tokens_are_summed(options: dict[str, Any]) -> None:
    handle = open_model(build(name="ferry", **options))
    assert (handle.name, handle.takes_parameters) == ("graph:ferry", False)
    for _ in range(2):
        message = asyncio.run(handle.served._agenerate([HumanMessage("Ask.")])).generations[0].message
        assert isinstance(message, AIMessage)
        assert message.usage_metadata == tokens(12) | {"output_tokens": 2, "total_tokens": 14}


class Errands(populace.Scenario):
    """Everybody asks for something."""

    name = "errands"


def test_a_society_of_a_graph_is_logged_and_asks_each_turn_once(tmp_path: Path) -> None:
    people = tmp_path / "people.jsonl"
    people.write_text('{"persona": "A diver who sings."}\n{"persona": "A clerk who rows."}\n')
    given: Any = {"hub": people, "hops": 0, "steps": 1, "out": tmp_path / "run.duckdb", "progress": False}
    run = populace.run(Errands, model=build(name="ferry"), **given)
    assert run.sql("SELECT outcome, model, input_tokens, output_tokens, count(*) FROM calls GROUP BY ALL").rows == [
        ("ok", "graph:ferry", 12, 2, 2)
    ]
    assert run.sql("SELECT DISTINCT text, model FROM emissions").rows == [("Where is the ferry?", "graph:ferry")]
    with pytest.raises(SetupError, match="made by graph:ferry, a model that was given as an object; give it again"):
        interview(run.path, "diver", ["Why?"])


class Other(TypedDict):
    """A state without messages."""

    question: str


def test_a_graph_that_cannot_be_asked_is_refused_before_anything_is_asked() -> None:
    graph = StateGraph(Other)
    graph.add_node("n", lambda state: state)
    graph.add_edge(START, "n")
    with pytest.raises(SetupError, match=r"has no `messages` \(it has: question\); build it on"):
        open_model(graph.compile())
    with pytest.raises(SetupError, match=r"compile it first: graph\.compile\(\)"):
        open_model(graph)  # type: ignore[arg-type]
