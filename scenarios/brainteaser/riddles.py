"""English brainteasers for the stand-in, by the trick that is in them, each with its answer and what is wrong in it."""

from collections.abc import Callable, Mapping, Sequence

from populace.agents.actions import KnownSolution
from populace.agents.procedural.problems import ProblemTemplate, Rational

#: The numbers of most of them, on which nothing depends.
_NUMBERS = {"n": range(3, 30), "m": range(40, 300, 10)}


class Riddle(ProblemTemplate):
    """A brainteaser with its answer in a word or a phrase, and what is wrong with the question."""

    def __init__(
        self,
        answer: str | Callable[..., Rational],
        explanation: str,
        *forms: str,
        draw: Mapping[str, Sequence[int]] = _NUMBERS,
    ) -> None:
        """The answer is a text with slots for the numbers, or computed from them."""
        solve = answer.format if isinstance(answer, str) else answer
        super().__init__("", forms, draw=draw, solve=solve, is_story=True)
        self.explanation = explanation

    def solve(self, text: str) -> KnownSolution | None:
        """The answer, with the explanation as its steps; None for another text."""
        found = super().solve(text)
        return found and KnownSolution(self.explanation, found.answer)


RIDDLES: Mapping[str, Sequence[Riddle]] = {
    "polysemy": (
        Riddle(
            "At once",
            "To mind the step is to take care, not to guard it.",
            "A sign in front of {place} says: Mind the step. {who} has been minding it for {n} hours, and nobody "
            "comes to take over. When may {who} leave?",
        ),
        Riddle(
            "None",
            "The sign asks people to wait calmly, not to be ill.",
            "At the door of {place} it says: Please be patient. {who} feels perfectly well. Which illness would be "
            "enough?",
            "{who} was sent away from {place} after {n} minutes for not being patient. The doctor finds nothing "
            "wrong. Which complaint should {who} come back with?",
        ),
        Riddle(
            "0",
            "A tap that runs stays where it is; its water flows.",
            "The tap in {place} has been running for {n} hours. {who} wants to know how many kilometres it has behind "
            "it by now. How many?",
        ),
        Riddle(
            "0",
            "The hands of a clock are pointers.",
            "It is cold in {place}, and {who} sees that the clock there has two hands and no gloves. How many fingers "
            "must the gloves have that {who} knits for it?",
        ),
        Riddle(
            "No",
            "A dog that answers to a name comes when it is called, and talks to nobody.",
            "A notice in {place} says that a lost dog answers to the name of {other}. {who} has put {n} questions to "
            "it under this name and has had no answer. Does that prove that it is the wrong dog?",
        ),
        Riddle(
            "Not at all",
            "The sign asks drivers to be slow, and says nothing of those who work.",
            'On the road to {place} stands a sign: "Slow: people at work". The {n} people who work there feel '
            "insulted. How much faster must they become before it can be taken away?",
        ),
        Riddle(
            "Not at all",
            "Stairs that go up lead there, and do not move.",
            "The stairs in {place} go up {n} steps and come down as many, and they have done so all day. How far have "
            "they moved by the evening?",
        ),
        Riddle(
            "Nothing",
            "Attention is paid without money.",
            "In {place}, {n} people were told to pay attention. {who} collects for it and has {m} {money} so far. How "
            "much is still owed?",
        ),
        Riddle(
            "Never",
            "The phone has not died; its battery had run down.",
            "The phone that {who} keeps in {place} has died {n} times this year. {other} asks politely when the "
            "funeral is. When is it?",
        ),
        Riddle(
            "Nobody",
            "A meeting is opened by beginning it, and has no lid.",
            "{other} opened a meeting in {place} at {n} minutes past nine. {who} has looked all over it for the lid. "
            "Who has it?",
        ),
        Riddle(
            "None",
            "Change is money that is given back for a larger piece, and nothing of a person.",
            "{who} handed {other} a note of {m} {money} in {place}, asked for some change, and got it all in coins. "
            "Since then {other} has become a different person. How much of the change still has to be counted out?",
        ),
        Riddle(
            "Nowhere",
            "A person who runs a place is in charge of it.",
            "{other} has been running {place} for {n} years. {who} stands at the gate with a glass of water. Where "
            "does {other} come past next?",
        ),
    ),
    "puns": (
        Riddle(
            "Nobody",
            "The sign is misspelt and means that people should bear with them, that is, be patient.",
            'In {place} hangs a handwritten sign: "Bare with us for {n} more days". {who} wants to know who has to '
            "undress first. Who?",
        ),
        Riddle(
            "9:{n:02}",
            "Sharp means punctually, and has nothing to do with pencils.",
            "A meeting in {place} is to begin at {n} minutes past nine sharp. {who} comes at that minute and finds "
            "all the pencils blunt. At what time does it begin?",
        ),
        Riddle(
            "Nowhere",
            "They hold a sale, and nobody needs a sail for it.",
            "A poster announces the big sale of {items} in {place}. {who}, who heard of it only by telephone, has "
            "brought {n} metres of rope and asks where the mast is. Where is it?",
        ),
        Riddle(
            "Nothing",
            "The line was clear: flour and flower sound alike.",
            "{other} telephoned from {place} and asked for {n} bags of flour, and {who} brought {n} bags of roses. "
            "What was wrong with the line?",
        ),
        Riddle(
            "Nobody",
            "Nights were meant, and not knights.",
            "{who} was told by telephone that the {n} nights in {place} would be cold, and has ordered {n} warm "
            "linings for suits of armour. Who will wear them?",
        ),
        Riddle(
            "No",
            "The sign speaks of paper and envelopes; what does not move is written with an a.",
            "A shelf in {place} is marked STATIONERY. {who} has watched it for {n} minutes, and it has not moved. Is "
            "it this that the sign promised?",
        ),
        Riddle(
            "As much as before",
            "It was the wait that grew, not the weight.",
            "On the telephone they told {who} that the wait for the {items} from {place} had gone up by {n} days. "
            "{who} has borrowed a stronger cart. How much do they weigh now?",
        ),
        Riddle(
            "No",
            "A hole and a whole sound alike, and many of the one do not make the other.",
            "{other} promises {who} the whole of the {items} in {place}. {who} has found {n} holes in the {box} so "
            "far. If there are more of them, will they make a whole in the end?",
        ),
    ),
    "literal reading": (
        Riddle(
            "0",
            "The number is the largest that is allowed, not the smallest that is needed.",
            "The minibus outside {place} is for {n} people. {who} has been standing beside it alone since {day}. For "
            "how many others must {who} wait?",
        ),
        Riddle(
            "None",
            "The words say which side is to be on top, and ask nobody to carry it upstairs.",
            'A {box} of {items} bears the words "This side up". {who} has already carried it up {n} steps. To which '
            "floor does it have to be brought?",
        ),
        Riddle(
            "Nobody",
            "Those who have a dog must carry it, and those who have none may go on.",
            'Beside the stairs to {place} it says: "Dogs must be carried". {who} has none and has been standing there '
            "for {n} minutes. From whom should one be borrowed?",
        ),
        Riddle(
            "None",
            "On every day the sign speaks of the next one.",
            'In the window of {place} hangs a sign: "{items} free tomorrow". {who} has come on {n} days in a row and '
            "found it hanging there. On which day are they free?",
        ),
        Riddle(
            "The packet",
            "It is the thing, not the person, that must be out of the reach of children.",
            'On a packet from {place} {who} reads "Keep away from children" and has not gone home to the family for '
            "{n} days. What is it that should keep away?",
        ),
        Riddle(
            "The staff",
            "The notice speaks of the hands of the staff, and asks nobody to wash those of visitors.",
            'A notice in {place} says: "Staff must wash hands". {who}, a visitor, has held out both hands for {n} '
            "minutes. Whose hands does it mean?",
        ),
        Riddle(
            "The food",
            "It is what is in the pot that is left to stand; the cook may sit.",
            'A recipe that {who} found in {place} says: "Stir, then leave to stand for {n} minutes." {who} has no '
            "chair in the kitchen anyway and wonders who is meant. What is to stand?",
        ),
        Riddle(
            "{k}",
            "All but so many means that so many are left.",
            "All but {k} of the {n} {items} that {who} carried out of {place} got wet in the rain. How many stayed "
            "dry?",
            "Of {n} {items} in {place}, all but {k} were taken away before noon. How many had {who} left then?",
            draw={"n": range(14, 60), "k": range(3, 13)},
        ),
        Riddle(
            "{k}",
            "What was taken is asked for, not what is left in the box.",
            "There are {n} {items} in a {box} in {place}. {who} takes {k} of them. How many {items} does {who} have?",
            draw={"n": range(14, 60), "k": range(3, 13)},
        ),
        Riddle(
            lambda n, k: n * (k - 1),
            "Between so many of them there is one pause less than there are of them.",
            "{who} is to take {k} pills, one every {n} minutes, and begins at once. How many minutes after the first "
            "one is the last one taken?",
            "In {place} a bell is struck {k} times, once every {n} seconds. {who} counts from the first stroke on. "
            "How many seconds later is the last one?",
            draw={"n": range(5, 60, 5), "k": range(3, 15)},
        ),
    ),
    "reversed causality": (
        Riddle(
            "0",
            "People open umbrellas because it rains, not the other way round.",
            "Whenever people open their umbrellas on the way to {place}, it rains. {who} has counted {m} umbrellas. "
            "How many of them must be forbidden before the weather improves?",
        ),
        Riddle(
            "No",
            "More helpers are called where there is more to do.",
            "The more helpers there are in {place}, the more work lies about: with {n} of them it could hardly be "
            "worse. {who} wants a quiet day and proposes to send all of them home. Would that make less work?",
        ),
        Riddle(
            "No",
            "People have many birthdays because they live long.",
            "In {place}, {who} has read that people who have celebrated more than ninety birthdays have all lived "
            "longer than others, and from now on celebrates two a year, the second one with {items}. Does that help?",
        ),
        Riddle(
            "As long as before",
            "The cock crows because the day breaks.",
            "Every {day} the cock behind {place} crows, and {n} minutes later the sun rises. {who} has sold the cock "
            "for {m} {money}. How long will the night be?",
        ),
        Riddle(
            "No",
            "Larger fires bring more engines and do more damage.",
            "{who} has noticed that a fire with {n} fire engines in front of it always does more damage than a fire "
            "with one, and wants to save {place} and all the {items} in it. Should fewer of them be sent?",
        ),
        Riddle(
            "No",
            "The alarm rings at the time it is set to, whoever is awake.",
            "Every {day} {who} wakes up {n} minutes before the alarm clock rings, in time for {place}. {other} "
            "concludes that it is {who} who wakes the clock, and that it would sleep on without being looked at. Is "
            "that so?",
        ),
        Riddle(
            "No",
            "The thermometer follows the heat.",
            "It gets hotter in {place} whenever the thermometer goes up, yesterday by {n} degrees. {who} has put it "
            "into a bucket of ice. Will it be cooler in there now?",
        ),
        Riddle(
            "No",
            "The queue is there because the good things are, and not the good things because of the queue.",
            "In front of the best stall at the fair there is always a queue of {n} people. Back in {place}, {who} "
            "wants a stall as good and hires as many to stand in line. Will that make it as good?",
        ),
    ),
    "hidden assumption": (
        Riddle(
            "No",
            "If all of them were heavier, the average would be heavier too.",
            "{other} demands that each of the {m} {items} in {place} be heavier than their average. {who} may buy {n} "
            "new ones. Can that be done?",
        ),
        Riddle(
            "No",
            "Wherever somebody lives is home again.",
            "{who} has heard in {place} that most accidents happen within {n} kilometres of people's homes and has "
            "moved away for that reason, {m} kilometres to the north. Is {who} safer now?",
        ),
        Riddle(
            "No",
            "When it is left off, another one is the last.",
            "Of every delivery to {place}, the last {box} arrives damaged, {n} times in a row by now. {who} proposes "
            "to leave the last one off. Will that help?",
        ),
        Riddle(
            "Not at all",
            "Today's waiting is over when tomorrow comes.",
            "{who} has missed the bus that stops by {place} by one minute and now waits {n} minutes for the next. By "
            "how much would running faster tomorrow shorten that?",
        ),
        Riddle(
            "Yes",
            "The second one can only do half of what the first one leaves.",
            "A leaflet in {place} promises that a certain tool does half of the work. {who} has {n} hours of it to do "
            "and buys two such tools. Is anything left to be done then?",
        ),
        Riddle(
            "No",
            "One has to know the time to see when a clock that stands is right.",
            "The clock in {place} is {n} minutes slow and never right. The one that {who} owns stopped years ago and "
            "is right twice a day. Does {who} know the time better for it?",
        ),
        Riddle(
            "{n}",
            "People who do a thing side by side take as long as one of them.",
            "It takes {k} people in {place} {n} minutes to listen to a song from beginning to end. How many minutes "
            "would it take {m} people?",
            "{k} people walk from {place} to the river in {n} minutes, side by side. {who} and the others are {m} "
            "tomorrow. How many minutes do they need at the same pace?",
            draw={"k": range(2, 9), "n": range(3, 10), "m": range(10, 40)},
        ),
        Riddle(
            "{n}",
            "What goes on at once takes as long for many as for one.",
            "{who} puts one egg into boiling water in {place}, and it takes {n} minutes. How many minutes do {k} eggs "
            "take together in a large pot?",
            "A towel dries on the line behind {place} in {n} hours. {who} hangs up {k} of them beside one another. "
            "How many hours does it take until all are dry?",
            draw={"k": range(3, 12), "n": range(5, 13)},
        ),
        Riddle(
            "0",
            "A queue of one is its own beginning, middle and end.",
            "{who} is the first and also the last in the queue in front of {place} and has been in it for {n} "
            "minutes. How many metres is it from there to the middle?",
        ),
    ),
}
