"""English brainteasers for the stand-in, by the trick that is in them, each with its answer."""

from collections.abc import Mapping, Sequence

from populace.agents.procedural.problems import ProblemTemplate as T

_SMALL = range(3, 30)


def _riddle(answer: str, *forms: str) -> T:
    """A riddle whose answer does not depend on its numbers `n` and `m`."""
    return T("", forms, draw={"n": _SMALL, "m": range(40, 300, 10)}, solve=lambda n=0, m=0: answer, is_story=True)


RIDDLES: Mapping[str, Sequence[T]] = {
    "polysemy": (
        _riddle(
            "At once: to mind the step is to take care, not to guard it.",
            "A sign in front of {place} says: Mind the step. {who} has been minding it for {n} hours, and nobody "
            "comes to "
            "take over. When may {who} leave?",
        ),
        _riddle(
            "None: the sign asks people to wait calmly, not to be ill.",
            "At the door of {place} it says: Please be patient. {who} feels perfectly well. What illness, and for "
            "how "
            "many days, would be enough?",
            "{who} was sent away from {place} after {n} minutes for not being patient. The doctor finds nothing "
            "wrong. "
            "Which complaint should {who} come back with?",
        ),
        _riddle(
            "None: a tap that runs stays where it is; its water flows.",
            "The tap in {place} has been running for {n} hours. {who} wants to know how many kilometres it has "
            "behind it "
            "by now. How many?",
        ),
        _riddle(
            "None: the hands of a clock are pointers.",
            "It is cold in {place}, and {who} sees that the clock there has two hands and no gloves. How many "
            "fingers "
            "must the gloves have that {who} knits for it?",
        ),
        _riddle(
            "It cannot be told: a dog comes when its name is called, and talks to nobody.",
            "A notice in {place} says that a lost dog answers to the name of {other}. {who} has put {n} questions to "
            "it "
            "under this name and has had no answer. Is it the wrong dog?",
        ),
        _riddle(
            "They need not: the sign asks drivers to be slow, and says nothing of those who work.",
            'On the road to {place} stands a sign: "Slow: people at work". The {n} people who work there feel '
            "insulted. "
            "How much faster must they become before it can be taken away?",
        ),
        _riddle(
            "Not at all: stairs that go up lead there, and do not move.",
            "The stairs in {place} go up {n} steps and come down as many, and they have done so all day. How far "
            "have they "
            "moved by the evening?",
        ),
        _riddle(
            "Nothing: attention is paid without money.",
            "In {place}, {n} people were told to pay attention. {who} collects for it and has {m} {money} so far. "
            "How much "
            "is still owed?",
        ),
        _riddle(
            "Never: what had run down was its battery.",
            "The phone that {who} keeps in {place} has died {n} times this year. {other} asks politely when the "
            "funeral "
            "is. When is it?",
        ),
        _riddle(
            "Nobody: a meeting is opened by beginning it.",
            "{other} opened a meeting in {place} at {n} minutes past nine. {who} has looked all over it for the lid. "
            "Who has "
            "it?",
        ),
        _riddle(
            "None: the word means that coins are given back for a larger piece of money.",
            "{who} handed {other} a note of {m} {money} in {place} and asked for some change. Since then {other} has "
            "become a different person. How much of the change still has to be counted out?",
        ),
        _riddle(
            "Nowhere: whoever runs a place is in charge of it.",
            "{other} has been running {place} for {n} years. {who} stands at the gate with a glass of water. Where "
            "does "
            "{other} come past next?",
        ),
    ),
    "puns": (
        _riddle(
            "Nobody: the sign is misspelt and means that they should bear with us, that is, be patient.",
            'In {place} hangs a handwritten sign: "Bare with us for {n} more days". {who} wants to know who has to '
            "undress first. Who?",
        ),
        _riddle(
            "At the time that is said: sharp means punctually.",
            "A meeting in {place} is to begin at {n} minutes past nine sharp. {who} comes at that minute and finds "
            "all the "
            "pencils blunt. When does it begin?",
        ),
        _riddle(
            "They hold a sale, and nobody needs a boat for it.",
            "A poster announces the big sale of {items} in {place}. {who}, who heard of it only by telephone, has "
            "brought {n} "
            "metres of rope and asks where the mast is. Where is it?",
        ),
        _riddle(
            "Nothing: flour and flower sound alike.",
            "{other} telephoned from {place} and asked for {n} bags of flour, and {who} brought {n} bags of roses. "
            "What was "
            "wrong with the line?",
        ),
        _riddle(
            "For nobody: nights were meant, not knights.",
            "{who} was told by telephone that the {n} nights in {place} would be cold, and has ordered {n} warm "
            "linings for "
            "suits of armour. For whom?",
        ),
        _riddle(
            "Because the sign speaks of paper and envelopes; what does not move is written with an a.",
            "A shelf in {place} is marked STATIONERY. {who} has watched it for {n} minutes, and it has not moved. "
            "Why does "
            "that prove nothing?",
        ),
        _riddle(
            "As much as before: it was the wait that grew, not the weight.",
            "On the telephone they told {who} that the wait for the {items} from {place} had gone up by {n} days. "
            "{who} has borrowed a stronger cart. How much do they weigh now?",
        ),
        _riddle(
            "None: a hole that is whole is still a hole.",
            "{other} promises {who} the whole of the {items} in {place}. {who} finds {n} holes in the {box} and asks "
            "how "
            "many more it takes to make a whole. How many?",
        ),
    ),
    "literal reading": (
        _riddle(
            "None: the number is the largest that is allowed, not the smallest that is needed.",
            "The minibus outside {place} is for {n} people. {who} has been standing beside it alone since {day}. For "
            "how many others must {who} wait?",
        ),
        _riddle(
            "To none: the words say which side is to be on top.",
            'A {box} of {items} bears the words "This side up". {who} has already carried it up {n} steps. To which '
            "floor "
            "does it have to be brought?",
        ),
        _riddle(
            "From nobody: whoever has a dog must carry it, and whoever has none may go on.",
            'Beside the stairs to {place} it says: "Dogs must be carried". {who} has none and has been standing '
            "there "
            "for {n} minutes. From whom should one be borrowed?",
        ),
        _riddle(
            "On none: on every day the sign speaks of the next one.",
            'In the window of {place} hangs a sign: "{items} free tomorrow". {who} has come on {n} days in a row and '
            "found "
            "it hanging there. On which day are they free?",
        ),
        _riddle(
            "The thing, not the person: it is the packet that must not be within reach of children.",
            'On a packet from {place} {who} reads "Keep away from children" and has not gone home to the family for '
            "{n} "
            "days. What is it that should keep away?",
        ),
        _riddle(
            "Their own: it does not ask them to wash those of visitors.",
            'A notice in {place} says: "Staff must wash hands". {who}, a visitor, has held out both hands for {n} '
            "minutes. "
            "Whose hands does it mean?",
        ),
        _riddle(
            "What is in the pot: whoever cooks it may sit.",
            'A recipe that {who} found in {place} says: "Stir, then leave to stand for {n} minutes." {who} has no '
            "chair "
            "in the kitchen anyway and wonders who is meant. What is to stand?",
        ),
        T(
            "",
            (
                "All but {k} of the {n} {items} that {who} carried out of {place} got wet in the rain. How many "
                "stayed "
                "dry?",
                "Of {n} {items} in {place}, all but {k} were taken away before noon. How many had {who} left then?",
            ),
            draw={"n": range(14, 60), "k": range(3, 13)},
            solve=lambda n, k: k,
            is_story=True,
        ),
        T(
            "",
            (
                "There are {n} {items} in a {box} in {place}. {who} takes {k} of them. How many {items} does {who} "
                "have?",
            ),
            draw={"n": range(14, 60), "k": range(3, 13)},
            solve=lambda n, k: k,
            is_story=True,
        ),
        T(
            "",
            (
                "{who} is to take {k} pills, one every {n} minutes, and begins at once. How many minutes after the "
                "first "
                "one is the last one taken?",
                "In {place} a bell is struck {k} times, once every {n} seconds. {who} counts from the first stroke "
                "on. "
                "How many seconds later is the last one?",
            ),
            draw={"n": range(5, 60, 5), "k": range(3, 15)},
            solve=lambda n, k: n * (k - 1),
            is_story=True,
        ),
    ),
    "reversed causality": (
        _riddle(
            "None: people open umbrellas because it rains, not the other way round.",
            "Whenever people open their umbrellas on the way to {place}, it rains. {who} has counted {m} umbrellas. "
            "How "
            "many of them must be forbidden before the weather improves?",
        ),
        _riddle(
            "No: more helpers are called where there is more to do.",
            "The more helpers there are in {place}, the more work lies about: with {n} of them it could hardly be "
            "worse. "
            "{who} wants a quiet day and proposes to send all of them home. Would that make less work?",
        ),
        _riddle(
            "No: people have many birthdays because they live long.",
            "In {place}, {who} has read that people who have celebrated more than ninety birthdays have all lived "
            "longer than others, and from now on celebrates two a year, the second one with {items}. Does that help?",
        ),
        _riddle(
            "As long as always: the cock crows because the day breaks.",
            "Every {day} the cock behind {place} crows, and {n} minutes later the sun rises. {who} has sold the cock "
            "for {m} {money}. How long will the night be?",
        ),
        _riddle(
            "No: larger fires bring more engines and do more damage.",
            "{who} has noticed that a fire with {n} fire engines in front of it always does more damage than a fire "
            "with one, and wants to save {place} and all the {items} in it. Should fewer of them be sent?",
        ),
        _riddle(
            "No: the alarm rings at the time it is set to, whoever is awake.",
            "Every {day} {who} wakes up {n} minutes before the alarm clock rings, in time for {place}. {other} "
            "concludes that it is {who} who wakes the clock, and that it would sleep on without being looked at. Is "
            "that so?",
        ),
        _riddle(
            "No: the thermometer follows the heat.",
            "It gets hotter in {place} whenever the thermometer goes up, yesterday by {n} degrees. {who} has put it "
            "into a "
            "bucket of ice. Will it be cooler in there now?",
        ),
        _riddle(
            "None: the queue is there because the good things are.",
            "In front of the best stall at the fair there is always a queue of {n} people. Back in {place}, {who} "
            "wants a stall as good and hires some to stand in line. How many does it take?",
        ),
    ),
    "hidden assumption": (
        _riddle(
            "It cannot be done: if all are heavier, so is the average.",
            "{other} demands that each of the {m} {items} in {place} be heavier than their average. How many new "
            "ones does "
            "{who} have to buy?",
        ),
        _riddle(
            "No: wherever somebody lives is home again.",
            "{who} has heard in {place} that most accidents happen within {n} kilometres of people's homes and has "
            "moved away for that reason, {m} kilometres to the north. Is {who} safer now?",
        ),
        _riddle(
            "Because then another one is the last.",
            "Of every delivery to {place}, the last {box} arrives damaged, {n} times in a row by now. {who} proposes "
            "to "
            "leave the last one off. Why does that not help?",
        ),
        _riddle(
            "Not at all: today's waiting is over when tomorrow comes.",
            "{who} has missed the bus that stops by {place} by one minute and now waits {n} minutes for the next. By "
            "how much would running faster tomorrow shorten that?",
        ),
        _riddle(
            "At least half of the rest remains: the second one can only do half of what the first one leaves.",
            "A leaflet in {place} promises that a certain tool does half of the work. {who} has {n} hours of it to "
            "do and "
            "buys two such tools. What is left to be done?",
        ),
        _riddle(
            "Nobody can tell from looking at it: one has to know the time to see when it is right.",
            "The clock in {place} is {n} minutes slow and never right. The one that {who} owns stopped years ago and "
            "is "
            "right twice a day. Why is {who} still late?",
        ),
        T(
            "",
            (
                "It takes {k} people in {place} {n} minutes to listen to a song from beginning to end. How many "
                "minutes "
                "would it take {m} people?",
                "{k} people walk from {place} to the river in {n} minutes, side by side. {who} and the others are "
                "{m} "
                "tomorrow. How many minutes do they need at the same pace?",
            ),
            draw={"k": range(2, 9), "n": range(3, 10), "m": range(10, 40)},
            solve=lambda k, n, m: n,
            is_story=True,
        ),
        T(
            "",
            (
                "{who} puts one egg into boiling water in {place}, and it takes {n} minutes. How many minutes do {k} "
                "eggs "
                "take together in a large pot?",
                "A towel dries on the line behind {place} in {n} hours. {who} hangs up {k} of them beside one "
                "another. "
                "How many hours does it take until all are dry?",
            ),
            draw={"k": range(3, 12), "n": range(5, 13)},
            solve=lambda k, n: n,
            is_story=True,
        ),
        _riddle(
            "No distance at all: a queue of one is its own beginning, middle and end.",
            "{who} is the first and also the last in the queue in front of {place} and has been in it for {n} "
            "minutes. How "
            "far is it from there to the middle?",
        ),
    ),
}
