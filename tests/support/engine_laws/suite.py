"""Every law that the engine is tested against: the textbook models of the product, and more of them."""

from collections.abc import Iterator

from populace.scenarios.laws import suite
from populace.scenarios.laws.law import Law, Measured

from . import change, draws, games, levers, networks, stubborn, surveys, thresholds, turns

LAWS = (
    *suite.LAWS,
    Law("linear-threshold", "Kempe, Kleinberg and Tardos 2003", thresholds.linear_threshold),
    Law("friedkin-johnsen", "Friedkin and Johnsen 1990", stubborn.friedkin_johnsen),
    Law("public-goods", "Isaac and Walker 1988; Fischbacher and Gächter 2010", games.public_goods),
    Law("beauty-contest", "Nagel 1995", games.beauty_contest),
    Law("serial-dictatorship", "Svensson 1999", games.serial_dictatorship),
    Law("watts-strogatz", "Watts and Strogatz 1998; Barrat and Weigt 2000", networks.watts_strogatz),
    Law("barabasi-albert", "Barabási and Albert 1999; Dorogovtsev and others 2000", networks.barabasi_albert),
    Law("independent-draws", "binomial sums", draws.independent_draws),
    Law("levers", "identities; Kendall and Gibbons 1990", levers.levers),
    Law("locality", "identity", change.locality),
    Law("activation", "binomial sums; Wilson and Hilferty 1931", turns.activation),
    Law("poisson-times", "Poisson processes; Wilson and Hilferty 1931", turns.poisson_times),
    Law("archetypes", "normal sums; Wilson and Hilferty 1931", turns.archetypes),
    Law("sir-configuration", "Newman 2002", networks.sir_configuration),
    Law("adaptive-voter", "Holme and Newman 2006; Suchecki and others 2005", change.adaptive_voter),
    Law("polya-urn", "Eggenberger and Pólya 1923", change.polya_urn),
    Law("horvitz-thompson", "Horvitz and Thompson 1952; Cochran 1977", surveys.horvitz_thompson),
)
#: By name.
BY_NAME = {law.name: law for law in LAWS}


def failed(*names: str) -> Iterator[Measured]:
    """The numbers of these laws that are not as they should be."""
    return (one for one in suite.check_laws([BY_NAME[name] for name in names]) if not one.passes)
