"""The prompt of a turn: how it is made of what an agent observes, and how it is kept within a number of tokens."""

from collections.abc import Callable
from dataclasses import replace
from string import Template
from typing import Any

from ..core.model import Answer, Outcome
from ..core.prompt import Prompt, RenderedPrompt, fence, language_name
from ..core.text import estimated_tokens
from .action_schema import described_actions, novelty_of, possible_actions, prompt_of
from .actions import Action
from .observation import Observation, shown_name

#: What stands where a description was cut.
_CUT = "…"


def turn_prompt(
    observation: Observation, offered: tuple[type[Action], ...], *, world: str, seed: int | None
) -> RenderedPrompt:
    """Build the request of a turn by the prompt of the possible actions.

    `seed` draws its angle, and None draws none.
    """
    possible = possible_actions(offered, observation.addressees)
    template = prompt_of(possible)
    # Replies, and choices that are counted, are not steered.
    is_free = not observation.heard and all(novelty_of(action) != "none" for action in possible)
    return template.render(
        world=fence("world", world),
        persona=observation.portrait,
        observation=observation.text,
        posts=named_posts(template, observation),
        choice=phrase_of(template, "choice", "one" if len(possible) == 1 else "several"),
        actions=described_actions(possible),
        task=fence("task", observation.task),
        next=_next_of(template, observation),
        angle=drawn_angle(template, seed) if is_free else "",
        language=named_language(template, observation.language),
        examples=observation.examples,
    )


def phrase_of(template: Prompt, slot: str, word: str, **slots: str) -> str:
    """Return the ready phrase of a prompt with its own slots filled, or "" if the prompt has no such phrases."""
    return Template(template.choices[slot][word]).substitute(slots) if slot in template.choices else ""


def drawn_angle(template: Prompt, seed: int | None) -> str:
    """Draw a phrase of each table by seed, so that requests do not lead all agents to the same subject.

    A prompt that names no tables has at most one, its angles.
    """
    if template.draws and seed is not None:
        return " ".join(template.choices[table][word] for table, word in template.drawn_words(seed).items())
    angles = tuple(template.choices.get("angle", {}).values())
    return angles[seed % len(angles)] if angles and seed is not None else ""


def _next_of(template: Prompt, observation: Observation) -> str:
    """Return the prompt's phrase for whose turn it is, and whom they answer."""
    if not observation.name:
        return phrase_of(template, "next", "unnamed")
    speaker = shown_name(observation.heard[-1].key) if observation.heard else ""
    return phrase_of(template, "next", "answer" if speaker else "act", name=observation.name, speaker=speaker)


def named_posts(template: Prompt, observation: Observation) -> str:
    """Return how the prompt's rule about sections names that of posts, if the observation has one."""
    return phrase_of(template, "posts", "shown" if observation.posts else "none")


def named_language(template: Prompt, tag: str) -> str:
    """Return the prompt's phrase for the language in which the agent speaks."""
    known = tag and tag != "und"
    return phrase_of(template, "language", "named" if known else "unknown", name=language_name(tag) if known else "")


def prompt_size(prompt: RenderedPrompt) -> int:
    """Estimate the tokens of all messages of a prompt."""
    return sum(estimated_tokens(text) for _, text in prompt.messages)


def refused_length(prompt: RenderedPrompt, most: int) -> Answer[Any] | None:
    """Return the failure that replaces an answer if a prompt has more than `most` tokens, or None if it may be asked.

    0 sets no limit.
    """
    if not most or (size := prompt_size(prompt)) <= most:
        return None
    return Answer(
        Outcome.LENGTH, None, f"The prompt has {size:,} tokens, of which {most:,} are allowed (prompt_tokens).", 0
    )


def fitted(observation: Observation, render: Callable[[Observation], RenderedPrompt], tokens: int) -> Observation:
    """Cut the observation until the whole prompt that `render` makes of it has at most `tokens` tokens. 0 cuts nothing.

    What the agent perceives is cut first (`Observation.cut`), then the end of the persona's description. What cannot
    be cut (world, rules, actions, task) may leave the prompt too long: `prompt_size` tells.
    """
    view = observation
    while tokens and (over := prompt_size(render(view)) - tokens) > 0:
        shorter = view.cut(max(0, estimated_tokens(view.text) - over))
        if shorter.text == view.text:
            persona = cut_text(view.persona, over)
            if not persona:
                break
            shorter = replace(view, persona=persona)
        view = shorter
    return view


def cut_text(text: str, over: int) -> str:
    """Cut about `over` tokens from the end of the text and mark the cut. Return "" if nothing would be left."""
    left = len(text.encode()) - 4 * over - len(_CUT.encode())
    return "" if left <= 0 else text.encode()[:left].decode(errors="ignore") + _CUT
