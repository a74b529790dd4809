"""Enriching a hub as a job: what comes into it, what stays in the ledger, and what is never paid twice."""

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import orjson
import pytest
from hub_people import make_hub, townsfolk
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from openai_server import OpenAIServer
from profile_answers import answered, known, life

from populace.agents.endpoint.models import ModelHandle
from populace.agents.gateway.limits import Limits
from populace.core.errors import SetupError, SourceError
from populace.personas.hub.file import open_hub
from populace.personas.persona import Persona
from populace.personas.profiles import Tier
from populace.sim.enrichment import enrich as enrich_hub
from populace.sim.runfile.reader import FinishedRun
from populace.sim.specs import Enrichment

#: An imported hub has no model of its own.
enrich = partial(enrich_hub, model="procedural")

PEOPLE = 24
IN_FLIGHT = 4

type Ask = Callable[..., list[tuple[Any, ...]]]


pytestmark = pytest.mark.usefixtures("impatient")


@pytest.fixture(scope="session")
def made_town(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_hub(tmp_path_factory.mktemp("town") / "town.duckdb", *townsfolk(PEOPLE))


@pytest.fixture
def town(made_town: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(made_town, tmp_path))


@pytest.fixture
def sql(town: Path) -> Ask:
    def asked(query: str) -> list[tuple[Any, ...]]:
        with open_hub(town, write=True) as hub:
            return hub.con.execute(query).fetchall()

    return asked


def over(server: OpenAIServer, **options: Any) -> dict[str, Any]:
    limits = Limits(max_in_flight=IN_FLIGHT, **options)
    return {"model": "openai:test", "base_url": server.base_url, "limits": limits}


def test_everybody_gets_a_profile_by_one_call_each(town: Path, sql: Ask, openai_server: OpenAIServer) -> None:
    done = enrich(town, **over(openai_server))
    assert (done.made, done.failed, openai_server.calls) == ({"profiles": PEOPLE}, {"profiles": 0}, PEOPLE)
    assert sql("SELECT count(*), any_value(model), any_value(prompt) FROM profiles") == [
        (PEOPLE, "openai:test", "profile@2")
    ]
    assert sum(done.evidence.values()) == 18 * PEOPLE
    assert sql("SELECT status, kind FROM jobs") == [("finished", "enrichment")]


def test_all_that_is_called_evidence_stands_in_the_description(town: Path, sql: Ask) -> None:
    enrich(town)
    quoted = sql("""
        SELECT text, json_extract_string(evidence, '$.*.words') FROM profiles JOIN personas ON id = persona
    """)
    words = [(text, word) for text, found in quoted for word in found]
    assert len(words) > PEOPLE
    assert all(word in text for text, word in words)


class AsyncChat(BaseChatModel):
    """A model that has only the way in which the gateway asks."""

    @property
    def _llm_type(self) -> str:
        return "async"

    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        raise AssertionError("the gateway took the blocking way")


class Liar(AsyncChat):
    """Quotes what nobody wrote; honest when it is asked again, if it can be."""

    can_be_honest: bool

    async def _agenerate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        is_complaint = "'a tall person of forty' is not in the description" in str(messages[-1].content)
        lie = answered(age_band=known("40-49", "stated", "a tall person of forty"))
        return said(answered() if is_complaint and self.can_be_honest else lie)


def said(answer: dict[str, Any]) -> ChatResult:
    return ChatResult(generations=[ChatGeneration(message=AIMessage(orjson.dumps(answer).decode()))])


def test_who_misquotes_is_shown_the_quotation_and_asked_again(town: Path, sql: Ask) -> None:
    done = enrich(town, model=ModelHandle("liar", Liar(can_be_honest=True)), limits=Limits(max_error_rate=1.0))
    assert (done.made, done.misquotations) == ({"profiles": PEOPLE}, PEOPLE)
    assert sql("SELECT count(age_band) FROM profiles") == [(0,)]


def test_answers_that_misquote_are_counted_and_never_accepted(town: Path, sql: Ask) -> None:
    done = enrich(town, model=ModelHandle("liar", Liar(can_be_honest=False)), limits=Limits(max_error_rate=1.0))
    assert (done.made, done.failed) == ({"profiles": 0}, {"profiles": PEOPLE})
    assert done.misquotations == 3 * PEOPLE
    assert sql("SELECT count(*) FROM profiles") == [(0,)]
    assert sql("SELECT DISTINCT purpose, outcome FROM failures") == [("profile", "schema_mismatch")]


def test_a_run_file_is_a_hub_and_its_own_calls_stay_as_they_were(live: Callable[..., FinishedRun]) -> None:
    run = live(agents=8, hops=1, steps=1)
    before = run.sql("SELECT count(*), any_value(event_hash) FROM calls, runs").rows
    done = enrich(run.path)
    assert done.job == 2
    assert run.sql("SELECT count(*), any_value(event_hash) FROM calls, runs WHERE job = 1").rows == before
    assert run.sql("SELECT count(*) FROM agents WHERE agent NOT IN (SELECT persona FROM profiles)").rows == [(0,)]


def test_only_evident_leaves_no_assumption_and_says_so(town: Path, sql: Ask) -> None:
    done = enrich(town, Enrichment(only_evident=True))
    assert "assumed" not in done.evidence
    assert sql("SELECT bool_and(only_evident), count(openness) FROM profiles") == [(True, 0)]


@pytest.mark.slow
def test_what_is_there_is_asked_for_again_when_that_is_wished(town: Path, sql: Ask) -> None:
    enrich(town, Enrichment(only_evident=True))
    assert enrich(town, Enrichment(replace=True, n=5)).made == {"profiles": 5}
    assert sql("SELECT count(*) FROM profiles WHERE NOT only_evident") == [(5,)]


def test_a_condition_says_whom(town: Path, sql: Ask) -> None:
    assert enrich(town, Enrichment(where="ordinal % 2 = 0")).people == PEOPLE // 2
    assert sql("SELECT DISTINCT ordinal % 2 FROM personas JOIN profiles ON persona = id") == [(0,)]


def test_biographies_speak_of_people_who_are_tied(town: Path, sql: Ask) -> None:
    done = enrich(town, Enrichment(wiki=True))
    assert done.made == {"profiles": PEOPLE, "biographies": PEOPLE}
    strangers = """
        SELECT count(*) FROM (SELECT persona, unnest(mentions) AS other FROM biographies) b
        WHERE NOT EXISTS (FROM relations WHERE (source, target) IN ((b.persona, b.other), (b.other, b.persona)))
    """
    assert sql(strangers) == [(0,)]
    assert sql("SELECT sum(len(mentions)) > 5, min(length(text)) >= 1200 FROM biographies") == [(True, True)]


@pytest.mark.slow
def test_who_is_tied_to_nobody_has_a_biography_too(tmp_path: Path) -> None:
    alone = make_hub(tmp_path / "alone.duckdb", townsfolk(40)[0])
    done = enrich(alone, Enrichment(wiki=True))
    assert (done.made["biographies"], done.failed["biographies"]) == (40, 0)


def test_raised_people_join_the_hub_beside_their_originals(town: Path, sql: Ask) -> None:
    done = enrich(town, Enrichment(n=3, skill="bridge building", tier=Tier.ONE_PER_MILLE))
    assert done.made == {"raised": 3}
    assert sql("SELECT count(*) FROM personas") == [(PEOPLE + 3,)]
    assert sql("""
        SELECT count(*), min(tier), bool_and(p.parent = e.original), bool_and(contains(p.text, 'bridge building'))
        FROM elites e JOIN personas p ON p.id = e.persona
    """) == [(3, "0.1%", True, True)]


MOTHER = Persona("A retired teacher who keeps bees.")
DAUGHTER = Persona("A ferry mechanic in her forties.")


@pytest.fixture
def family(tmp_path: Path) -> Path:
    return make_hub(tmp_path / "kin.duckdb", [MOTHER, DAUGHTER], [(DAUGHTER, MOTHER, "kinship", "mother")])


class Guesser(AsyncChat):
    """Takes everybody for forty; told of a contradiction, it says what stands in `second`."""

    second: str
    asked: list[str]
    #: What its biographies state of other people.
    others: tuple[dict[str, Any], ...] = ()

    async def _agenerate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        prompt = next(str(message.content) for message in messages if message.type == "human")
        self.asked.append(prompt)
        if "What has this person's life been?" in prompt:
            decade = prompt.partition("<profile>\naged ")[2][:2]
            answer = life(age=int(decade), others=list(self.others))
        elif DAUGHTER.text in prompt.partition("</persona>")[0]:
            answer = answered(age_band=known("40-49", "stated", "in her forties"))
        else:
            answer = answered(age_band=known(self.second if "<findings>" in prompt else "40-49"))
        return said(answer)


@pytest.mark.slow
@pytest.mark.parametrize(("second", "status"), [("70-79", "resolved"), ("30-39", "kept")])
def test_a_contradiction_is_asked_about_once_and_then_resolved_or_kept(family: Path, second: str, status: str) -> None:
    chat = Guesser(second=second, asked=[])
    done = enrich(family, Enrichment(wiki=True), model=ModelHandle("guesser", chat))
    assert done.asked == {"profiles": 2, "repairs": 1, "biographies": 2}
    assert done.contradictions == {status: 1}
    (told,) = [prompt for prompt in chat.asked if "<findings>" in prompt]
    assert "The mother is aged 40-49, and the person whose mother that is 40-49." in told
    with open_hub(family) as hub:
        ages = "SELECT age_band FROM profiles JOIN personas ON id = persona ORDER BY ordinal"
        assert hub.con.execute(ages).fetchall() == [(second,), ("40-49",)]


def test_biographies_that_contradict_are_counted_and_kept_out_of_the_hub(family: Path) -> None:
    young = {"key": "k1", "age": 30, "region": None, "occupation": None}
    chat = Guesser(second="70-79", asked=[], others=(young,))
    done = enrich(family, Enrichment(wiki=True), model=ModelHandle("guesser", chat))
    assert (done.made["biographies"], done.failed["biographies"], done.inconsistencies) == (0, 2, 6)
    assert ("inconsistencies", "6 biographies sent back") in done.as_rows()
    with open_hub(family) as hub:
        ((outcome, reason), *_) = hub.con.execute("SELECT outcome, reason FROM failures ORDER BY reason").fetchall()
        assert outcome == "schema_mismatch"
        assert "others.k1.age: 30 contradicts 40-49" in reason
        assert hub.con.execute("SELECT count(*) FROM biographies").fetchall() == [(0,)]


def test_without_biographies_contradictions_are_found_and_nobody_is_asked_again(family: Path) -> None:
    chat = Guesser(second="70-79", asked=[])
    done = enrich(family, model=ModelHandle("guesser", chat))
    assert (len(chat.asked), done.contradictions) == (2, {"open": 1})


@pytest.mark.parametrize(
    ("wishes", "words"),
    [
        ({"skill": "chess"}, "takes a skill and a tier"),
        ({"tier": "1%"}, "takes a skill and a tier"),
        ({"skill": "chess", "tier": "1%", "wiki": True}, "do not go with it"),
        ({"n": 0}, "`n` must be at least 1, but 0 was given"),
    ],
)
def test_wishes_that_do_not_go_together_are_refused(wishes: dict[str, Any], words: str) -> None:
    with pytest.raises(SetupError, match=words):
        Enrichment.given(**wishes)


def test_nothing_is_made_when_there_is_no_hub(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="There is no hub"):
        enrich(tmp_path / "town.duckdb")
    assert list(tmp_path.iterdir()) == []


def test_a_condition_that_cannot_be_asked_begins_no_job(town: Path) -> None:
    with pytest.raises(SetupError, match="no column"):
        enrich(town, Enrichment(where="height > 3"))
    assert [p.name for p in town.parent.iterdir()] == ["town.duckdb"]
