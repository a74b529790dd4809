"""What a room promises to its users: names may be added here on purpose, and are not taken away."""

import importlib

import pytest

PROMISED = {
    "personas": """
        Answer AnswerSchema CacheError EndpointError Hub HubFile Match NearDuplicates Neighbour Occasion
        Outcome Passage PausedError Persona PersonaGraph PersonaModel PopulaceError Population Prompt
        Relation RelationKind Relative RenderedPrompt RunError RunFileError SetupError SourceError
        StorageError Verdict create_hub fence find_duplicates iter_prompts load_prompt open_hub
        persona_to_persona read_hub read_passages shipped_passages text_to_persona
    """,
    "agents": """
        PLAYER Action Argument Decision DialogueLine Embedded Embedder EmbeddingHandle Gateway Heard Instruction
        Limits Memory Mind MindContext MindState ModelHandle Observation Prices ReturnValue Seen ToolSpec build_mind
        open_embedder open_model
    """,
    "sim": """
        FinishedRun Growth Intervention News Progress QueryError Resident RunReader Scenario Settings Society Visit
        World open_run
    """,
    "analysis": "QUESTIONS Question Summary ask render_csv render_json render_table summarise write_report",
}


@pytest.mark.parametrize("room", PROMISED)
def test_a_room_gives_what_it_promises_and_nothing_else(room: str) -> None:
    module = importlib.import_module(f"populace.{room}")
    assert set(module.__all__) == set(PROMISED[room].split())
    assert all(getattr(module, name).__doc__ or name.isupper() for name in module.__all__)
