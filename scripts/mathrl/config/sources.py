"""Sections of the data's way into training: filters, difficulty, decontamination, the prompt."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from mathrl.config.section import Count, Distinct, Number, PositiveShare, Section, Several, Share, WholeNumber, key, required

OF_THE_USER = r"[A-Za-z_][A-Za-z0-9_.]*:[A-Za-z_][A-Za-z0-9_]*"
Method = Annotated[str, StringConstraints(pattern=rf"^(exact|ngram|fuzzy|semantic|reworded|{OF_THE_USER})$")]
Removing = Annotated[str, StringConstraints(pattern=rf"^(exact|ngram|fuzzy|semantic|similar|reworded|{OF_THE_USER})$")]


class Containers(Section):
    """Images of the rules: a local .sif or docker://…@sha256:…; used when Snakemake runs with --sdm apptainer."""

    cpu: str = key("containers/cpu.sif", "image of the rules without a GPU")
    cuda: str = key("containers/cuda.sif", "image of the rules with a GPU")


class Filters(Section):
    """Filters of the training problems, each counted in the funnel; null or false switches one off."""

    verifiable: bool = key(True, "drop golds that no response can be right about, or any response")
    duplicates: Literal["none", "exact", "near"] = key("near", "keep the first of each group of equal problems")
    near_similarity: PositiveShare = key(
        0.8, "words in common (Jaccard) from which on two problems with the same numbers are near duplicates", "share"
    )
    english_only: bool = key(False, "drop problems in other languages")
    sources: Several[str] | None = key(None, "allow-list of source names; null for all")


class OwnSolveRates(Section):
    """Solve rates measured with the base model, where a stage says `solve_rates: own`."""

    problems: Count | None = key(4096, "training problems that are asked; null for all. Others are left out of such a stage", "problems")
    n: Count = key(8, "responses per problem")
    max_tokens: Count = key(512, "new tokens per response", "tokens")


OWN_SOLUTIONS = "results/data/own_solutions.parquet"
"""What `solutions: own` of a supervised stage stands for."""


class OwnSolutions(Section):
    """Which of those responses become solutions, where a supervised stage says `solutions: own`; right ones only."""

    per_problem: Count = key(4, "most solutions of a problem, the shortest first", "solutions")
    max_tokens: Count | None = key(None, "longer responses are left out; null for none", "tokens")
    max_similarity: Share = key(0.8, "share of pairs of words (Jaccard) from which on a response is like one before it", "0 to 1")


class Data(Section):
    """The training problems."""

    max_quarantine: Share = key(0.01, "more rows that break the contract than this stop the run", "share of rows")
    max_dropped: Share = key(0.5, "a layout or the filter `verifiable` that drops more stops with reasons and examples", "share of rows")
    filters: Filters = key(Filters(), "each counted in the funnel")
    difficulty_bands: Literal["quintiles"] | Annotated[Distinct[Share], Field(min_length=1)] = key(
        "quintiles", "quintiles, or falling solve rates that separate the bands, such as [0.8, 0.6, 0.4, 0.2]"
    )
    dev_size: Count = key(512, "problems held out of training for choosing checkpoints", "problems")
    own_solve_rates: OwnSolveRates = key(OwnSolveRates(), "solve rates measured with the base model")
    own_solutions: OwnSolutions = key(OwnSolutions(), "the base model's right responses as solutions of a supervised stage")


class Hints(Section):
    """Training prompts that carry the beginning of a worked solution, not the answer; docs/reference/augmentation.md has the wording."""

    solutions: str = required("an entry of `augmentation` of kind solutions, or a parquet file with the columns problem and solution")
    share: PositiveShare | Annotated[Several[PositiveShare], Field(min_length=2, max_length=2)] = key(
        0.5, "of the solution's steps; two shares, such as [0.3, 0.7]: the lowest and the highest, each problem has its own", "share"
    )
    solve_rate: Annotated[Several[Share], Field(min_length=2, max_length=2)] | None = key(
        None, "lowest and highest solve rate of problems that get a hint, both included; null for all"
    )

    @property
    def shares(self) -> tuple[Number, Number]:
        """The lowest and the highest share."""
        return (self.share, self.share) if isinstance(self.share, int | float) else (self.share[0], self.share[1])


class AddedRows(Section):
    """Problems of a stage, and what is added to them."""

    rows: Literal["clean", "raw"] = key("clean", "the problems that rows are added to")
    augmented: Annotated[Distinct[str], Field(min_length=1)] | None = key(
        None, "entries of `augmentation` whose rows are added; null for none"
    )
    repeated: Annotated[Distinct[str], Field(min_length=1)] | None = key(
        None, "the control: for each row of these entries its source problem once more; null for none"
    )
    hints: Hints | None = key(None, "{solutions, share, solve_rate}: prompts of problems carry the beginning of a solution; null: none do")


class Rules(Section):
    """When a training row and a benchmark item are the same problem; each pair that a method finds must pass."""

    same_length: Share = key(0.75, "texts whose lengths in words have at least this ratio count as equally long", "share")
    short: Count = key(
        12, "in texts of at most this many words, exchanged names make another problem; of half as many, they always count as equally long",
        "words",
    )  # fmt: skip
    few_words: WholeNumber = key(3, "a text of at most this many words is a formula: its numbers and signs must be the same", "words")
    few_numbers: WholeNumber = key(6, "texts that are equally long, with at most this many numbers, must have the same numbers")
    exchanged_words: WholeNumber = key(2, "at most so many words in one place, exchanged for unknown others, make another problem", "words")
    named_numbers: WholeNumber = key(2, "names of people may differ if the text has at least this many numbers, all equal")
    part: Count = key(8, "a text of at least this many words, numbers and signs may stand inside the other")
    sentence: Count = key(3, "the same for an item that is one whole sentence of a row")
    formula: Count = key(8, "least variables, numbers and signs of formulas that are compared")
    same_formula: Share = key(0.5, "part of the shorter text's formulas that the other has, in runs of three", "share")
    formula_order: Share = key(0.9, "the same in one order, where the runs are others", "share")
    same_places: Share = key(0.6, "part of the common numbers that stand beside the same word", "share")
    same_drawing: Share = key(0.8, "part of the numbers of a drawing that the other drawing has", "share")
    same_wording: Share = key(0.6, "token similarity from which on a rewording may deny nothing that the item does not deny", "0 to 1")
    misspelt: Share = key(0.5, "words in common from which on misspellings are looked for", "share")
    common_words: Share = key(0.4, "words in common below which the token similarity is 0", "share")
    letters: Share = key(0.5, "token similarity from which on letters are compared besides", "0 to 1")


class Candidates(Section):
    """Which pairs of a row and an item are looked at: lower thresholds cost time."""

    rare_items: Count = key(5, "most items that have a pair of words which makes candidates for the method fuzzy", "items")
    rare_share: Share = key(0.2, "part of an item's rare pairs of words that a candidate has", "share")
    few_pairs: WholeNumber = key(4, "an item with fewer rare pairs is a formula, looked for by runs of three words")
    word_overlap: Share = key(0.55, "words in common (Dice) of a candidate for fuzzy", "share")
    word_count: Share = key(0.5, "words of the shorter text over the longer's of a candidate for fuzzy", "share")
    question_bytes: Count = key(120, "longest problem that is looked for by its words and numbers in order alone", "bytes")
    shortest: Count = key(2, "least words of an item that is looked for whole because it has no n-gram", "words")
    least_ngrams: WholeNumber = key(3, "n-grams that are no boilerplate, which a match by n-grams has at least", "n-grams")


class Decontamination(Section):
    """Methods and thresholds of the search for contamination."""

    methods: Annotated[Distinct[Method], Field(min_length=1)] = key(
        ("exact", "ngram", "fuzzy", "semantic"), "computed once, on the rows before any removal; of the user's: module:Class"
    )
    remove: Distinct[Removing] = key(
        ("exact", "ngram", "fuzzy"), "a match by one of these removes a row; `similar`: also semantic matches whose numbers differ"
    )
    ngram_size: Annotated[int, Field(ge=2)] = key(8, "length of an n-gram", "words")
    ngram_coverage: Share = key(0.5, "share of the benchmark item's informative n-grams found in one training row", "share")
    fuzzy_similarity: Share = key(0.85, "token-level similarity", "0 to 1")
    semantic_similarity: Share = key(0.85, "cosine", "0 to 1")
    semantic_words: Share = key(0.6, "token similarity that confirms a semantic match", "0 to 1")
    reworded_similarity: Share = key(0.6, "cosine from which on a text with the same numbers is a rewording", "0 to 1")
    reworded_numbers: WholeNumber = key(2, "numbers of an item; with fewer, a rewording needs semantic_similarity")
    boilerplate_rows: Count = key(5, "an n-gram in more different rows that are no copies of the item is boilerplate", "rows")
    boilerplate_items: Count = key(2, "and so is one that more items have", "items")
    whole: Share = key(0.8, "share of all n-grams that is a match even where most of them are boilerplate", "share")
    replaced: Share = key(0.15, "share of an item's content that a row may have replaced", "share")
    rules: Rules = key(Rules(), "when a pair is the same problem; leave these unless you read scripts/mathrl/decontamination/compare.py")
    candidates: Candidates = key(Candidates(), "which pairs are looked at")

    def thresholds(self) -> dict[str, Number]:
        """All but the methods, in the order of the file; those of a part with its name before theirs."""
        parts = {"rules": self.rules, "candidates": self.candidates}
        plain = self.model_dump(exclude={"methods", "remove", *parts})
        return plain | {f"{part}_{name}": value for part, section in parts.items() for name, value in section.model_dump().items()}


class Prompt(Section):
    """The training prompt."""

    instruction: str = key(
        r"Please reason step by step,and must put your final answer within \boxed{}.Question:",
        "stands before each problem; braces are taken as they are",
    )
    separator: str = key(" ", "between instruction and problem")


class Demo(Section):
    """The laptop demo's world; only in its overlay."""

    problems: Annotated[int, Field(ge=100)] = key(4000, "training problems", "problems")
    items: Annotated[int, Field(ge=5)] = key(100, "items per benchmark", "items")
    leaks: WholeNumber = key(12, "planted leaks of each kind", "rows")
    seed: WholeNumber = key(1, "of problems and base model")
    pretraining_steps: Count = key(450, "batches of bare problems", "steps")
    supervised_steps: Count = key(250, "batches of chat turns", "steps")
    worked: Share = key(0.4, "share of worked responses", "share")
    boxed: Share = key(0.4, "share of boxed responses", "share")
    habits: Share = key(0.0, "share of responses with a habit that solves nothing, for the bench of planted hacks", "share")
