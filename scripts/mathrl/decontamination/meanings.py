"""Words that say the same in a problem, words that deny, and forms of one word: what a copy may exchange and stay a copy."""

from __future__ import annotations

DENIALS = frozenset(["not", "no", "never", "without", "neither", "nor", "except", "non", "isn", "doesn", "don", "cannot", *"不无無非"])
# A text with three of these writes all nouns with a capital letter: such a word is no name for that.
GERMAN = frozenset(["der", "das", "und", "ist", "ein", "eine", "einer", "einem", "einen", "wie", "mit", "dem", "von", "auf", "fur", "sie"])
LIGHT_IDEOGRAPHS = frozenset(
    "的了吗呢把有个是求问在里与及给被它们这那请解答使则计算值可以能要量本级つはがをにのでとをすせよてるしたかもくだきさいな"
)
# Small words that make another problem where one stands in the place of the other.
SMALL_WORDS = frozenset(
    frozenset(pair.split("|"))
    for pair in (
        "and|or",
        "inside|on",
        "outside|on",
        "exactly|at least",
        "exactly|at most",
        "more than|at least",
        "less than|at most",
        "by|to",
    )
)
# Words that a copy may add, drop or exchange for a light one.
FILLERS = frozenset(
    [
        "owns",
        "own",
        "owned",
        "when",
        "where",
        "now",
        "then",
        "also",
        "exactly",
        "simply",
        "indeed",
        "here",
        "just",
        "only",
        "named",
        "called",
        "them",
        "they",
        "having",
        "number",
        "whose",
        "satisfy",
        "satisfies",
        "satisfying",
    ]
)
# Each line: words of one meaning, as far as problems go; several words of one meaning are joined by `_`.
_SAME = """
find determine compute calculate evaluate obtain work_out figure_out
найдите найти определите определить вычислите вычислить|less_than below under|more_than greater_than above over exceeding
buys purchases|bought purchased|buy purchase|buying purchasing
gets receives obtains|got received|get receive
has owns possesses|had owned|have own
gives hands|gave handed|give hand
earns makes gets|earned made|earn make
makes produces creates builds|made produced created built|make produce create build
needs requires|needed required|need require
starts begins|started began|start begin|beginning start
ends finishes stops|ended finished stopped|end finish stop
satisfies fulfils fulfills|satisfy fulfil fulfill|satisfying fulfilling
remaining left leftover left_over|remain left|remains left
possible admissible
children kids|child kid
students pupils|student pupil
called named|call name
contains holds includes|contain hold include|containing holding including
only just|altogether total overall in_total|total overall altogether entire
if when|suppose assume let|such so
shows displays|show display|shown displayed|draws sketches|draw sketch
uses employs|used employed|use employ
big large|small little|tiny small|fast quick|quickly fast
costs is_priced|cost price|spend pay|spends pays|spent paid
money cash|shop store|shops stores|road street|car automobile|cars automobiles|bike bicycle|bikes bicycles
walks strolls|travels goes drives|travel go drive|traveled went driven drove
picks chooses selects|picked chosen selected|pick choose select|picking choosing selecting
collects gathers|collected gathered|collect gather
eats consumes|ate consumed|eat consume
number amount quantity count|numbers amounts quantities
people persons individuals|person individual
house home|houses homes|mom mother mum|dad father
real_number real|whole_number integer natural_number
replacement putting_back|replaced put_back
also additionally too|then afterwards|now currently|however but
equals equal is_equal|exactly precisely|approximately about roughly
begin commence|near close|wants wishes|wanted wished|decides chooses|decided chose
says states|said stated|told said|asks inquires
"""
_OF_WORD: dict[str, set[int]] = {}
for _number, _line in enumerate(part for line in _SAME.split("\n") for part in line.split("|") if part):
    for _entry in _line.split():
        _OF_WORD.setdefault(_entry, set()).add(_number)
_ENDINGS = ("ization", "ations", "ation", "ings", "ing", "ers", "ies", "ied", "est", "ed", "es", "er", "ly", "s", "d", "y", "")
NEGATIONS = ("un", "in", "im", "ir", "non", "dis")


def same_words(mine: tuple[str, ...], theirs: tuple[str, ...]) -> bool:
    """Do two short runs of words say the same?"""
    left, right = "_".join(mine), "_".join(theirs)
    if left == right or _OF_WORD.get(left, set()) & _OF_WORD.get(right, set()):
        return True
    return len(mine) == len(theirs) and all(
        one == other or bool(_OF_WORD.get(one, set()) & _OF_WORD.get(other, set())) or same_stem(one, other) or slip(one, other)
        for one, other in zip(mine, theirs, strict=True)
    )


def slip(one: str, other: str) -> bool:
    """One letter more, less or other inside a word, or two letters exchanged: a slip of the pen that nobody reads as another word."""
    from rapidfuzz.distance import OSA

    if {one, other} in ({"cup", "cap"}, {"subset", "supset"}, {"subseteq", "supseteq"}):  # signs of LaTeX
        return False
    if min(len(one), len(other)) < 3 or OSA.distance(one, other, score_cutoff=1) > 1:
        return False
    return sorted(one) == sorted(other) or (one[0] == other[0] and one[-1] == other[-1])


def same_stem(one: str, other: str) -> bool:
    """Are both forms of one word (`sell`, `sells`; `country`, `countries`)? Comparisons such as `least`, `more` are not."""
    shared = next((place for place, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    return shared >= 3 and shared * 2 >= min(len(one), len(other)) and one[shared:] in _ENDINGS and other[shared:] in _ENDINGS


def opposite_forms(one: str, other: str) -> bool:
    """`ordered` and `unordered`."""
    return any(one == prefix + other or other == prefix + one for prefix in NEGATIONS)
