"""What a room promises to its users: names may be added here on purpose, and are not taken away."""

import importlib

import pytest

PROMISED = {
    "core": """
        Answer AnswerSchema CacheError EndpointError Estimate HookError Note Outcome PausedError PersonaModel
        PopulaceError Prompt RenderedPrompt RequestContext Result RunError RunFileError SetupError SourceError
        StorageError fence iter_prompts load_prompt read_prompt share_files
    """,
    "personas": """
        Hub HubFile Match NearDuplicates Neighbour
        Passage Persona PersonaGraph Population
        Relation RelationKind Relative
        Verdict create_hub find_duplicates open_hub
        persona_to_persona read_hub read_passages shipped_passages text_to_persona
    """,
    "personas.formats": """
        ExportFormat ExportReport Extra FileReport ImportOptions export_hub import_files
    """,
    "personas.hub": """
        CheckReport DedupReport Hub HubFile HubInfo MergeReport create_hub dedup_hub describe_hub judge_people
        merge_hubs open_hub read_hub undo_persona undo_rule undo_stage
    """,
    "personas.network": """
        Acquaintance Excerpt GraphFigures Link NetworkShape Ties central_excerpt graph_figures read_ties
    """,
    "personas.selection": """
        Breakdown Diversity Marginals Quota Report Selection SelectionSpec Share check_output
        drop_selection parse_quota read_marginals select write_selection
    """,
    "agents": """
        Action ActionEffects Check CheckContext CheckOutcome CheckResult Decision Deed
        DialogueLine
        Embedded Embedder EmbeddingHandle Gateway Heard Instruction KnownSolution Limits Memory Mind
        MindContext MindState ModelHandle Novelty Observation PLAYER Prices Rule Seen ShownPost Silence
        ToolSpec failed novelty_of open_embedder open_model passed undecided
    """,
    "sim": """
        Activation Arrival Channel Choice Demonstration Emission Enriched Enrichment Experiment
        FinishedRun FreeText Growth GrowthOnly HubVectors Hypothesis Intervention Item Levers Likert
        ManipulationCheck News Number OutcomeQuery Panel Post Progress QueryError Rank Resident
        RunConfig RunReader Sample Scenario Settings Society SocietyView State Survey Task TaskSettings
        Visit World by_group dedup_by_meaning enrich everybody fetch_text_vectors identity_survey
        network_measures open_run poisson read_demonstrations share survey_run
    """,
    "analysis": """
        Contamination Summary Topic cover_by_meaning find_contaminated measure_diversity read_funnel
        read_topics render_csv render_json render_table summarise write_report
    """,
    "analysis.export": """
        DatasetFormat DatasetOptions DatasetReport PersonalPolicy Split SplitBy SplitReport export_outputs
        find_held_out preview_outputs
    """,
}


@pytest.mark.parametrize("room", PROMISED)
def test_a_room_gives_what_it_promises_and_nothing_else(room: str) -> None:
    module = importlib.import_module(f"populace.{room}")
    assert set(module.__all__) == set(PROMISED[room].split())
    assert all(getattr(module, name).__doc__ or name.isupper() for name in module.__all__)
