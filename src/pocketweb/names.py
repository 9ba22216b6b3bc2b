"""Names of the pocket web: two words each, chosen so that no two worlds share a name.

A name joins word `i` of one list to word `j` of another and belongs to the world whose seed is `(i + j) % 31`. Two
seeds therefore never share a name, although they share their words: a model that learned the words of the training
worlds can copy the names of the held-out one without having met any of them. Small worlds use only the first words of
each list; worlds up to the same entry of `SIZES` use the same words.

`unheard` is for a web whose names are made of words that no other world uses: each letter of a name is replaced by
another, by one fixed table, so that such a world differs from the usual one of its seed in nothing but the words.

In: seed, size of the world, kind of name. Out: distinct names. Shown in `01_crawl`. Nothing of this is in the paper,
which crawls the real web.
"""

import math
import random
from functools import lru_cache

from pocketweb.grammar import TYPES

SEEDS = 31  # worlds that can exist side by side
# Worlds up to the same one of these sizes share their words; at exactly that size a world uses nearly all its names.
SIZES = (200, 300, 400, 600, 900, 1200, 1800, 2500, 3500, 5000, 7500, 10000, 14000, 20000)

# Share of the pages that each kind of name is needed for: the entity types, then the pages about nothing.
SHARES = {
    "person": 0.36,
    "city": 0.12,
    "region": 0.03,
    "university": 0.09,
    "company": 0.12,
    "event": 0.09,
    "paper": 0.11,
    "repository": 0.08,
    "noise": 0.08,
    "block": 0.02,
    "dead": 0.02,
}
ROUNDING = 5  # persons take what rounding leaves of the other types: at most this many more than their share

FIRST = (
    "ta ve mi lo ka re su no jo ba di fe ga hi ju ke la me ni pa ro sa ti va wi ya zo el ar or",
    "rim lan nor sel via dric mond lena rova thel nike bert wyn tavi gard zen liss pold kira dane hild",
)
LAST = (
    "bran cor dal fen gar hol kest lor mar nev ost pell quin ras stor thar ulv wend yar zim bel cald drov eld grim",
    "ov eck iden ast uri ello man sted ingham ander osk ette imar olt wick ulet ersen abar ivic uzzo arde enko ani oda",
)
PLACE = (
    "or bel cas dun el fal gren hav il jor kar lim mon nar ost pel quar ren sol tor ul vel wes yor zel "
    "ard bor cre dor em fro gil hol ist kel",
    "len dora vane mere tosk wick gate stad rona mund holm bury seld ness grad ville crest dale mouth field "
    "thorpe hurst combe lund vik minster worth caster lake brook den leigh over strom thal berg sund heim ros mar "
    "quay nau zin dal fin lev sor",
)
BRAND = (
    "vel nex cor alt zen quo tri lum pax fer hex nov or ser tek ul ver wex xan yel zor bri cad dex em fla gly hal ion "
    "jax kor mir ost pra rul syn",
    "mar tron vex lia dyne cora plex nova sys tek rix lon zia phor mex dian gen lux vita ron core tal wave quill "
    "bex dor fyr gane hart jent kyn lith mox nyx oph pell qor rand sten tiva umo vor wynd xo yra zet akt bly cind",
)
CITY_ENDS = (
    "Ford Haven Bridge Falls Harbour Hill Grove Market Cross Springs Point Meadow Rock Bay Heath Landing Gate Mill "
    "Ridge Shore Wells Hollow Green Fields Moor Quay Rapids Castle Tower Corner Bend Park Lodge Pass Cove Banks "
    "Crossing Glen Strand Dyke Common Peak Orchard Spire Ferry Locks Mount Chapel Abbey Reach Garth Steps Barrow Weir "
    "Marsh Pond Hythe Sands Pier Terrace"
)
REGION_ENDS = (
    "Highlands Lowlands Valley Coast Plains Hills Islands Forest Basin Steppe Peninsula Marches Wolds Delta Downs "
    "Uplands Prairie Archipelago Plateau Fens"
)
UNIVERSITY_KINDS = (
    "Technical State Northern Southern Eastern Western Royal Free Open Central Maritime Polytechnic Medical Imperial "
    "Federal Civic Agricultural Metropolitan Insular Pedagogical Catholic International Humane Naval Liberal Mining "
    "Alpine Coastal Commercial Evening Classical Provincial Applied Veterinary Theological Veterans Jubilee Pacific "
    "Atlantic Continental"
)
PRODUCTS = (
    "Optics Foods Motors Textiles Energy Robotics Shipping Glass Ceramics Airlines Chemicals Cables Insurance Software "
    "Furniture Pumps Turbines Seeds Watches Paints Instruments Tyres Batteries Tools Logistics Steel Timber Dairy "
    "Audio Sensors Engines Fabrics Minerals Printing Bakery Lighting Plastics Bicycles Boilers Pharma Satellites "
    "Breweries Toys Valves Lenses Railways Cosmetics Kitchens Fertilisers Elevators Clocks Gears Solar Ropes Pianos "
    "Carpets Magnets Leather Bricks Ferries"
)
CONTESTS = (
    "Regatta Marathon Biennale Rally Tournament Carnival Derby Festival Prize Cup Olympiad Exhibition Triathlon Gala "
    "Fair Open Parade Championship Symposium Contest Games Trophy Fiesta Jamboree Meeting Masters Relay Salon Pageant "
    "Hackathon Recital Sprint Challenge Ball Summit Concours Steeplechase Revue Fete Match"
)
CODE_NOUNS = (
    "parser solver index kernel cache router server loader tracker planner sampler encoder viewer linter proxy queue "
    "mapper runner tuner packer shell scanner matcher bridge broker codec daemon engine filter graph hasher logger "
    "merger miner monitor plotter renderer schema stream tagger"
)
PAPER_FIRST = (
    "Sparse Robust Latent Neural Adaptive Bayesian Causal Convex Deep Discrete Dual Efficient Elastic Fast Federated "
    "Fuzzy Greedy Hidden Implicit Joint Kernelised Lazy Linear Local Modular Nested Noisy Optimal Parallel Quantum "
    "Random Recursive Scalable Soft Spectral Stable Stochastic Structured Symbolic Temporal Tensor Universal "
    "Variational Verified Weighted Approximate Balanced Bounded Coupled Distributed Dynamic Embedded Exact Finite "
    "Gradual Heavy Inverse Layered Minimal Online Polar Rapid"
)
PAPER_MIDDLE = (
    "Tidal Acoustic Genomic Orbital Seismic Thermal Lunar Coral Glacial Polymer Retinal Avian Magnetic Protein Urban "
    "Solar Volcanic Neuronal Pollen Arctic Optical Ocean Cellular Crystal Atomic Plasma Forest Metallic Fungal Stellar "
    "Cardiac"
)
PAPER_LAST = (
    "Lattices Signals Networks Fields Graphs Codes Waves Grids Trees Models Filters Tilings Chains Clusters Manifolds "
    "Sequences Kernels Currents Spectra Shapes Flows Mixtures Priors Rankings Embeddings Automata Bandits Games "
    "Hierarchies Schedules Boundaries Gradients Symmetries Patterns Layers Transforms Ensembles Meshes Proofs Sketches"
)
NOISE_ENDS = (
    "Garden Diary|Weather Notes|Walking Guide|Photo Album|Cooking Tips|Bus Timetable|Bird List|Chess Column|"
    "Train Notes|Lost Property|Letters Column|Quiz Night|Radio Guide|Crossword Help|Recipe Box|Market Prices|"
    "Ski Report|Tide Table|Book Club|Film Listings|Swimming Times|Parking Rules|Knitting Circle|Holiday Calendar|"
    "Cycling Routes|Dog Parade|Star Chart|Museum Hours|Choir Practice|Snow Report|Tram Map|Sailing Notes|Puzzle Corner|"
    "Rose Tour|Poetry Evening|Flea Sale|Jazz Nights|Sewing Lessons|Kite Day|Library Hours"
)


# Every vowel becomes another vowel, every consonant another consonant. Of the tables that do this one was looked for
# (and is tested) that makes no word of any list into another one, nor into a word of any sentence.
_USUAL, _UNHEARD = "aeioubcdfghjklmnpqrstvwxyz", "iouaedxpnlchgyrmwvbkfjqzst"
_LETTERS = str.maketrans(_USUAL + _USUAL.upper(), _UNHEARD + _UNHEARD.upper())


def unheard(name: str) -> str:
    """A name in words that no other world uses; different names stay different, and words keep their lengths.

    >>> unheard("Orlen Ford"), unheard("velmar-parser")
    ('Abyom Nabp', 'joyrib-wibkob')
    """
    return name.translate(_LETTERS)


def coin(starts: str, ends: str, taken: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Coined words: every start joined to every end, capitalised, in a fixed shuffled order, none twice, none `taken`.

    >>> sorted(coin("ta ve", "lon"))
    ['Talon', 'Velon']
    """
    words = sorted({(s + e).capitalize() for s in starts.split() for e in ends.split()} - set(taken))
    random.Random(f"coin-{starts}-{ends}").shuffle(words)
    return tuple(words)


@lru_cache(maxsize=1)
def word_lists() -> dict[str, tuple[tuple[str, ...], tuple[str, ...], str]]:
    """For each kind of name its two word lists and the form that joins them (`{0}` and `{1}`)."""
    last = coin(*LAST)
    place = coin(*PLACE, taken=last)
    brand = coin(*BRAND, taken=last + place)
    papers = [f"{m} {n}" for m in PAPER_MIDDLE.split() for n in PAPER_LAST.split()]
    # Walk the table of middle and last words along its diagonals: the first few titles already use every word once.
    papers = [papers[(k * (len(PAPER_LAST.split()) + 1)) % len(papers)] for k in range(len(papers))]
    noise = tuple(NOISE_ENDS.split("|"))
    return {
        "person": (coin(*FIRST), last, "{0} {1}"),
        "city": (place, tuple(CITY_ENDS.split()), "{0} {1}"),
        "region": (place, tuple(REGION_ENDS.split()), "{0} {1}"),
        "university": (place, tuple(UNIVERSITY_KINDS.split()), "{0} {1} University"),
        "company": (brand, tuple(PRODUCTS.split()), "{0} {1}"),
        "event": (brand, tuple(CONTESTS.split()), "{0} {1}"),
        "paper": (tuple(PAPER_FIRST.split()), tuple(papers), "{0} {1}"),
        "repository": (tuple(w.lower() for w in brand), tuple(CODE_NOUNS.split()), "{0}-{1}"),
        "noise": (place, noise, "{0} {1}"),
        "block": (brand, noise, "{0} {1}"),
        "dead": (brand, noise, "Old {0} {1}"),
    }


def counts(size: int) -> dict[str, int]:
    """How many names of each kind a world of `size` pages needs; those of the entity types add up to `size`.

    >>> counts(300)["person"], counts(300)["city"], counts(300)["noise"]
    (108, 36, 24)
    """
    wanted = {kind: round(share * size) for kind, share in SHARES.items()}
    wanted["city"] = 2 * round(SHARES["city"] * size / 2)  # twin cities come in pairs
    wanted["person"] = size - sum(n for kind, n in wanted.items() if kind in TYPES and kind != "person")
    return wanted


def words_used(kind: str, size: int) -> tuple[int, int]:
    """How many words of each of the two lists of `kind` a world of `size` pages draws from.

    The first number is a multiple of 31, so that every seed has exactly the same number of names: product / 31.

    >>> words_used("city", 300)
    (31, 36)
    """
    largest = next(s for s in SIZES if size <= s)
    pairs = SEEDS * (counts(largest)[kind] + (ROUNDING if kind == "person" else 0))
    first, second, _ = word_lists()[kind]
    a = SEEDS * max(1, int(math.sqrt(pairs)) // SEEDS)
    a = min(max(a, _up(pairs / len(second))), len(first) // SEEDS * SEEDS)
    return a, math.ceil(pairs / a)


def _up(number: float) -> int:
    """The next multiple of 31."""
    return SEEDS * math.ceil(number / SEEDS)


def draw(seed: int, size: int, kind: str, count: int, other_words: bool = False) -> list[str]:
    """Draw `count` distinct names of one kind for a world; words not used yet come first, so that few stay unused.

    Args:
        seed: the world's seed, 0..30.
        size: the world's pages, at most 20,000; fixes how many words are in use.
        kind: a key of `SHARES`.
        count: names wanted.
        other_words: whether the names are the `unheard` ones.

    Returns:
        The names in random order; the same call always gives the same list.

    Raises:
        ValueError: more names wanted than exist for this seed and size; the message gives both numbers.
    """
    a, b = words_used(kind, size)
    first, second, form = word_lists()[kind]
    pairs = [(i, j) for i in range(a) for j in range((seed - i) % SEEDS, b, SEEDS)]
    if count > len(pairs):
        raise ValueError(f"got {count} names of kind {kind}, wanted at most {len(pairs)} for a world of {size} pages")
    rng = random.Random(f"{seed}-names-{kind}-{count}")
    rng.shuffle(pairs)
    seen_i, seen_j, fresh, rest = set(), set(), [], []
    for i, j in pairs:
        (rest if i in seen_i and j in seen_j else fresh).append((i, j))
        seen_i.add(i)
        seen_j.add(j)
    chosen = (fresh + rest)[:count]
    rng.shuffle(chosen)
    drawn = [form.format(first[i], second[j]) for i, j in chosen]
    return [unheard(name) for name in drawn] if other_words else drawn
