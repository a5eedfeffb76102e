# ruff: noqa: E501 - tables are read by lines
"""Pairs by kind: what makes another problem in a few characters, and what says the same in other signs. No model is needed."""

import time

import polars as pl
import pytest
from mathrl.decontamination import Settings, find_matches, normalize_pair
from mathrl.decontamination.normalize_pair import questions
from mathrl.decontamination.texts import MAX_TEXT
from support.speed import slowness

OTHER = [
    ("a factor in brackets", "Solve for $x$: $2(x+3)=14$.", "Solve for $x$: $2x+3=14$."),
    ("what is under the root", r"Compute $\sqrt{9+16}$.", r"Compute $\sqrt{9}+16$."),
    ("what is under the bar", r"Simplify $\frac{x+1}{x}$ when $x=3$.", r"Simplify $x+\frac{1}{x}$ when $x=3$."),
    ("the base of a power", "Compute $(-2)^4$.", "Compute $-2^4$."),
    ("a minus before brackets", "Compute $12-5+3$.", "Compute $12-(5+3)$."),
    ("the argument of a function", r"Evaluate $\log_2 8 + 3$.", r"Evaluate $\log_2 (8+3)$."),
    ("an open and a closed bound", "How many integers $n$ satisfy $-5 < n < 12$?", r"How many integers $n$ satisfy $-5 \le n \le 12$?"),
    ("and, or", "How many positive integers less than 1000 are divisible by 7 and by 11?", "How many positive integers less than 1000 are divisible by 7 or by 11?"),
    ("inside, on", "How many lattice points lie inside the circle $x^2+y^2=25$?", "How many lattice points lie on the circle $x^2+y^2=25$?"),
    ("exactly, at least", "Five fair coins are tossed. What is the probability that exactly three show heads?", "Five fair coins are tossed. What is the probability that at least three show heads?"),
    ("a word and its denial", "How many ways are there to put 6 distinguishable balls into 3 distinguishable boxes?", "How many ways are there to put 6 indistinguishable balls into 3 distinguishable boxes?"),
    ("Chinese denial", "1到100中能被7整除的数有多少个？", "1到100中不能被7整除的数有多少个？"),
    ("Chinese and, or", "1到100中能被2整除且能被3整除的数有多少个？", "1到100中能被2整除或能被3整除的数有多少个？"),
    ("a length and a share", "一根绳子长3米，用去1/3米，还剩多少米？", "一根绳子长3米，用去1/3，还剩多少米？"),
    ("functions run together with their letter", "在三角形ABC中，AB=3，BC=4，角B是直角，求sinA。", "在三角形ABC中，AB=3，BC=4，角B是直角，求cosA。"),
    ("Spanish", "Encuentra el valor máximo de la función $f(x)=x^2-2x+3$ en $[0,3]$.", "Encuentra el valor mínimo de la función $f(x)=x^2-2x+3$ en $[0,3]$."),
    ("Portuguese", "Qual é a soma dos números pares de 1 a 100?", "Qual é a soma dos números ímpares de 1 a 100?"),
    ("Vietnamese", "Tìm giá trị lớn nhất của hàm số $y=x^3-3x+4$ trên đoạn $[-2;0]$.", "Tìm giá trị nhỏ nhất của hàm số $y=x^3-3x+4$ trên đoạn $[-2;0]$."),
    ("a union and an intersection", r"Let $A=\{1,2,3,4\}$ and $B=\{3,4,5\}$. How many elements does $A \cup B$ have?", r"Let $A=\{1,2,3,4\}$ and $B=\{3,4,5\}$. How many elements does $A \cap B$ have?"),
    ("a subset and a superset", r"Let $A=\{1,2,3,4\}$. How many sets $X$ of numbers below 10 have $X \subset A$?", r"Let $A=\{1,2,3,4\}$. How many sets $X$ of numbers below 10 have $X \supset A$?"),
    ("two bounds that changed places", r"How many integers $x$ have $|x-3| \leq 7$ and $x^2 \geq 16$?", r"How many integers $x$ have $|x-3| \geq 7$ and $x^2 \leq 16$?"),
    ("Japanese denial", "100以下の自然数のうち3で割り切れるものの個数を求めよ。", "100以下の自然数のうち3で割り切れないものの個数を求めよ。"),
    ("Chinese names that changed places", "甲数是24,甲数是乙数的2倍,乙数是多少?", "甲数是24,乙数是甲数的2倍,乙数是多少?"),
    ("a German noun is no name", "Ein Händler kauft 40 Kisten für je 12 Euro und verkauft sie mit 25% Gewinn. Wie viel nimmt er ein?", "Ein Händler kauft 40 Kisten für je 12 Euro und verkauft sie mit 25% Verlust. Wie viel nimmt er ein?"),
    ("a Chinese share in tenths", "小华看一本书，已经看了全书的二十分之一，正好是75页．这本书有多少页？", "小华看一本书，已经看了全书的二(1/10)，正好是75页．这本书有多少页？"),
    ("a number and its factorial", "Compute $7!$.", "What is the value of $7$?"),
]  # fmt: skip
SAME = [
    ("the verb alone", "Compute $7!$.", "What is the value of $7!$?"),
    ("a function in words", r"Find $\gcd(48,180)$.", "What is the greatest common divisor of 48 and 180?"),
    ("a root in words", r"Evaluate $\sqrt{144}$.", "What is the square root of 144?"),
    ("a power in words", "Compute $5^3$.", "Calculate five cubed."),
    ("a share in words", r"What is $15\%$ of $80$?", "Find 15 percent of 80."),
    ("degrees in words", r"Compute $\sin 60^\circ$.", "What is the sine of 60 degrees?"),
    ("spaces of TeX in brackets", "Simplify $(u+4)(u-1) - (u-3)(u+6)$.", r"Simplify $(u +\, 4)(u-1) - (u-3)(u +\, 6)$."),
    ("another matrix environment", r"Find the determinant of $\begin{pmatrix}1&2\\3&4\end{pmatrix}$.", r"Find the determinant of \[\begin{bmatrix} 1 & 2 \\ 3 & 4 \end{bmatrix}.\]"),
    ("one of several questions", "Let $f(x)=x^2-6x+5$. (i) Find $f(2)$. (ii) Find the roots. (iii) Sketch the graph of $f$.", "Let $f(x)=x^2-6x+5$. Find the roots."),
    ("blanks before brackets", r"Given $\log_{10}(\sin x+\cos x)=\frac{1}{2}(\log_{10}n-1)$ and $f(x+y)=2(x+1)$, find $n$.", r"Given $\log_{10} (\sin x + \cos x) = \frac{1}{2} (\log_{10} n - 1)$ and $f (x + y) = 2 (x + 1)$, find $n$."),
    ("tags around it", "Find the roots of $(x - 3)^3 + (x -7)^3 = (2x - 10)^3.$", "<problem>Find the roots of $(x - 3)^3 + (x -7)^3 = (2x - 10)^3.$</problem>\n<answer>"),
    ("wide digits", "There is a 50% chance of rain and a 20% chance of snow in 4 days. What is the chance of both?", "There is a ５０％ chance of rain and a ２０％ chance of snow in ４ days. What is the chance of both?"),
    ("blanks that do not break", "A third of 60 elves quit, then 10 of the others. How many elves are left?", "A\u00a0third of\u00a060 elves\u200b quit, then\u202f10 of the others. How many elves are left?"),
    ("letters of mathematics", "Let $x$ be a number with $x^2 = 49$ and $x > 0$. What is $3x + 2$?", "Let 𝑥 be a number with 𝑥^2 = 49 and 𝑥 > 0. What is 3𝑥 + 2?"),
    ("code around formulas", "Aya walks $9$-kilometer rounds at $s$ kilometers per hour for 4 hours. Find $s$.", "Aya walks `$9$`-kilometer rounds at `$s$` kilometers per hour for 4 hours. Find `$s$`."),
    ("formulas on lines of their own", "Aya walks $9$-kilometer rounds at $s$ kilometers per hour for 4 hours. Find $s$.", r"Aya walks \[9\]-kilometer rounds at \[s\] kilometers per hour for 4 hours. Find \[s\]."),
    ("percent behind the dollar", "Of 20 dancers, 20% take jazz and 25% of the others hip-hop. How many take hip-hop?", "Of 20 dancers, $20$% take jazz and $25$\\% of the others hip-hop. How many take hip-hop?"),
    ("a Chinese share", "小华看一本书，已经看了全书的(3/4)，正好是75页．这本书有多少页？", "小华看一本书，已经看了全书的四分之三，正好是75页．这本书有多少页？"),
    ("a Chinese share in digits", "小华看一本书，已经看了全书的20%，正好是75页．这本书有多少页？", "小华看一本书，已经看了全书的百分之20，正好是75页．这本书有多少页？"),
    ("a Chinese share with a point", "小华看一本书，已经看了全书的20.5%，正好是75页．这本书有多少页？", "小华看一本书，已经看了全书的百分之20.5，正好是75页．这本书有多少页？"),
    ("a source before it", "Find the area of triangle $ABC$ with $AB=13$, $BC=14$, $CA=15$.", "[AIME 1990] Find the area of triangle $ABC$ with $AB=13$, $BC=14$, $CA=15$."),
    ("a verb in Russian", "Найдите наибольшее значение функции $y=x^3-3x+4$ на отрезке $[-2;0]$.", "Найти наибольшее значение функции $y=x^3-3x+4$ на отрезке $[-2; 0]$."),
    ("Chinese words without weight", "修一条长1200米的路，每天修80米，多少天可以修完？", "有一条1200米长的路要修，每天修80米，几天能修完？"),
]  # fmt: skip


def matched(item: str, row: str) -> bool:
    rows = pl.DataFrame({"id": ["r"], "problem": [row]})
    return len(find_matches(rows, {"b": [{"id": "0", "problem": item, "answer": "1"}]}, Settings(workers=1))) > 0


@pytest.mark.parametrize(("item", "row"), [pair[1:] for pair in OTHER], ids=[pair[0] for pair in OTHER])
def test_another_problem(item, row):
    assert not matched(item, row) and not matched(row, item)
    assert matched(item, item)


@pytest.mark.parametrize(("item", "row"), [pair[1:] for pair in SAME], ids=[pair[0] for pair in SAME])
def test_the_same_problem(item, row):
    assert matched(item, row)


def test_conditions_are_no_questions():
    text = "Let $f$ be a function. (i) $f(1) = 2$. (ii) $f$ grows. Find $f(3)$."
    assert questions(text) == [text]
    assert len(questions("A box holds 4 balls. (1) What is $p$? (2) How many are red?")) == 3


@pytest.mark.parametrize("begin", ["<sup>", "<p a=", "x squared ", "one half ", "the nearest answer ", "\\frac{"])
@pytest.mark.parametrize("filler", ["\n", "1", "\n\t", "$", "( ", "a b "], ids=repr)
def test_a_hostile_text_takes_no_time(begin, filler):
    """Patterns that try each end for each beginning took hours for `<sup>` and 20,000 line feeds, 10 s for as many digits."""
    text = (begin + filler * MAX_TEXT)[:MAX_TEXT]
    began = time.process_time()
    normalize_pair.plain(text)
    assert time.process_time() - began < 0.5 * slowness()
