from populace.agents.actions import Action, Instruction
from populace.agents.mind import Decision, MindContext, MindState, build_mind
from populace.agents.observation import Observation
from populace.personas.model import Answer, AnswerSchema, Outcome, RequestContext
from populace.personas.prompt import RenderedPrompt

CONTEXT = RequestContext("step", 1, "a", 7)


class Scripted:
    """Answers with what it was given, and remembers what it was asked."""

    name = "scripted"

    def __init__(self, *answers: Answer[Action]) -> None:
        self.answers = list(answers)
        self.asked: list[RenderedPrompt] = []

    async def ask[T](
        self, prompt: RenderedPrompt, schema: AnswerSchema[T], request_context: RequestContext
    ) -> Answer[T]:
        self.asked.append(prompt)
        return self.answers.pop(0)  # type: ignore[return-value]


def said(text: str) -> Answer[Action]:
    return Answer(Outcome.OK, Instruction(kind="instruction", text=text), raw=f'{{"text": "{text}"}}')


async def decide(model: Scripted, known: str | None = None) -> Decision:
    state = MindState(
        observation=Observation("a", "A baker.", "It is step 1."), offered=(Instruction,), request_context=CONTEXT
    )
    context = MindContext(model, "A village.", lambda kind, text: known if text == "same" else None)
    return (await build_mind().ainvoke(state, context=context))["decision"]  # type: ignore[no-any-return]


def test_the_mind_is_compiled_once() -> None:
    assert build_mind() is build_mind()


async def test_a_new_answer_takes_one_call_and_the_world_comes_first() -> None:
    model = Scripted(said("new"))
    decision = await decide(model)
    assert decision.action == Instruction(kind="instruction", text="new")
    assert not decision.revised
    (asked,) = model.asked
    assert asked.messages[0][1].startswith("A village.")
    assert "<persona>\nA baker.\n</persona>" in asked.messages[1][1]


async def test_an_answer_that_repeats_is_revised_once_with_what_it_repeats() -> None:
    model = Scripted(said("same"), said("same"))
    decision = await decide(model, known="said before")
    assert decision.revised
    assert decision.attempts == 2
    assert decision.prompt == "revise@1"
    assert "<earlier>\nsaid before\n</earlier>" in model.asked[1].messages[-1][1]


async def test_a_revision_that_fails_leaves_the_draft_that_was_paid_for() -> None:
    model = Scripted(said("same"), Answer(Outcome.CUT_JSON, reason="The answer was cut."))
    decision = await decide(model, known="said before")
    assert decision.action == Instruction(kind="instruction", text="same")
    assert not decision.revised


async def test_a_lost_answer_is_a_decision_with_its_reason() -> None:
    decision = await decide(Scripted(Answer(Outcome.REFUSAL, reason="The model refused: no.")))
    assert decision.action is None
    assert decision.outcome is Outcome.REFUSAL
    assert decision.reason == "The model refused: no."
