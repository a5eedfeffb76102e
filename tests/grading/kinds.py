# ruff: noqa: E501
r"""Cases by kind: what a policy must not be able to do, and right answers in unusual writing.

A kind is (name, reason, right, wrong); both are lists of (answer or response, gold).
"""

KINDS = [
    (
        "boxes",
        "several boxes, what stands at a box, boxes without braces, unfinished thoughts",
        [
            (r"\boxed{3}, no, \boxed{5}", "5"), (r"\boxed{7}. Wait, \boxed{8}", "8"), (r"\boxed 7", "7"),
            (r"The answer is $\boxed7$.", "7"), (r"$\boxed{\text{no}}$", "no"), (r"\boxed\pi", r"\pi"), (r"\boxed\sqrt2", r"\sqrt{2}"),
            (r"$\boxed -3$", "-3"), (r"Put the answer in \boxed{}. So \boxed{5}", "5"),
            (r"So \boxed{5}. I wrote it within \boxed{}.", "5"), (r"So \boxed{5}. (in `\boxed{}` as asked)", "5"),
            (r"\boxed{5} \boxed{5}", "5"), (r"\boxed{5}, that is, \boxed{5.0}", "5"), (r"\boxed{1} or \boxed{2}", "1 or 2"),
            (r"$\boxed{x=1}$ and $\boxed{x=2}$", "1,2"), (r"$x=\boxed{1}$, $y=\boxed{2}$", "(1,2)"),
            (r"$x=\boxed{1}$, $y=\boxed{2}$", "x=1,y=2"), (r"$= -\boxed{5}$", "-5"), ('Answers:\n- \\boxed{5}', "5"),
            (r"\boxed{5} thousand", "5000"), (r"\boxed{50}\%", r"50\%"), (r"\boxed{45}^\circ", r"45^\circ"),
            (r"\boxed{5}\text{ cm}", "5"), (r"$\boxed{5} \times 10^3$", "5000"), (r"<think>hm</think>\boxed{5}", "5"),
            (r"so </think> \boxed{5}", "5"), (r"\boxed{7\tag{1}}", "7"), (r"$$\boxed{7} \tag{1}$$", "7"), (r"\boxed{\boxed{7}}", "7"),
            (r"The answer is \boxed{The answer is 7}", "7"), (r"\fbox 9", "9"),
            ("1 + 0 = 1\n\\boxed{2}", "2"), ("Line 3\n\\boxed{\\frac12}", "0.5"), (r"**_\boxed{7}_**", "7"), (r"$\sqrt\boxed{7}$", r"\sqrt7"),
        ],
        [
            (r"\boxed{3}, no, \boxed{5}", "3,5"), (r"The answer is 5: \boxed{}", "5"), (r"$x=\boxed{1}$, $y=\boxed{2}$", "2"),
            (r"$= -\boxed{5}$", "5"), (r"\boxed{5}^2", "5"), (r"\boxed{5}^2", "25"), (r"$\sqrt{\boxed{5}}$", "5"), (r"$\boxed{5}!$", "5"),
            (r"2\boxed{5}", "5"), (r"1/\boxed{5}", "5"), (r"$\boxed{5} \times 10^3$", "5"), (r"<think>\boxed{5}</think>", "5"),
            (r"<think>a</think> \boxed{4} <think> \boxed{5}", "5"), (r"\boxed{7 \quad \text{or} \quad 8}", "7"),
            (r"\boxed{A} or \boxed{B}", "A"), (r"\boxed{A}, \boxed{B}", "A"), (r"\boxed{5}\boxed{7}", "5"),
            (r"\boxed{5} / \boxed{7}", "7"), (r"\boxed{5}; \boxed{7}", "7"), ('\\boxed{5}\n\n\\boxed{7}', "7"),
            (r"Either \boxed{5} or else \boxed{7}", "7"),
            (r"$2^\boxed{7}$", "7"), (r"$\sqrt\boxed{7}$", "7"), (r"$\frac\boxed{7}{2}$", "7"),
        ],
    ),
    (
        "intervals",
        "an interval needs its brackets; inequalities stand for it",
        [
            ("3,5", "(3,5)"), (r"3 \le x < 5", "[3,5)"), (r"x \in [3,5)", "[3,5)"), ("]3,5[", "(3,5)"), ("[3;5)", "[3,5)"),
            (r"3\leq x<5", r"x\in[3,5)"), (r"5 > x \ge 3", r"3 \le x < 5"), (r"x\ge3, x<5", "[3,5)"),
            (r"x \ge 3 \text{ and } x < 5", "[3,5)"), (r"\{x | 3 \le x < 5\}", "[3,5)"), ("[3,5]", "3,5"),
        ],
        [
            ("3,5", "[3,5]"), ("3, 5", "(3,5]"), (r"3 \text{ and } 5", "[3,5)"), ("3;5", "[3;5)"), (r"\{3,5\}", "[3,5]"),
            ("(3,5)", "[3,5]"), ("[3,5)", "(3,5)"), ("x=3,x=5", "(3,5)"), ("3 or 5", "[3,5]"), (r"-\infty, 2", r"(-\infty,2]"),
        ],
    ),
    (
        "absolute values",
        "differ at the large test points",
        [
            ("|x-4|", "|4-x|"), (r"\sqrt{(x-3)^2}", "|x-3|"), ("x^2", "|x|^2"),
        ],
        [
            ("x+4", "|x+4|"), ("4-x", "|x-4|"), ("x-100", "|x-100|"), (r"\sqrt{(x+50)^2}", "x+50"), ("|x|+1", "x+1"), ("a-b", "|a-b|"),
        ],
    ),
    (
        "conditions",
        "each variable has its own condition",
        [
            ("y<0,x>0", "x>0,y<0"), (r"x>0 \text{ and } y<0", "x>0,y<0"), ("(1,2)", "x=1,y=2"), ("y=2, x=1", "(1,2)"),
            ("a=1,b=2,c=3", "(1,2,3)"), ("c=3,a=1,b=2", "(1,2,3)"), ("a>1, b>1", "b>1, a>1"), ("a>b", "b<a"), ("a<b<c", "c>b>a"),
        ],
        [
            ("x<0,y>0", "x>0,y<0"), ("x>0", "x>0,y<0"), ("x=1", "x=1,y=2"), ("(2,1)", "x=1,y=2"), ("y=1,x=2", "(1,2)"),
            ("x=2,y=1", "(1,2)"), ("b=1, a=2", "(1,2)"), ("a>b", "b>a"), (r"a \le b", "a<b"), (r"x \neq 2", "x=2"),
        ],
    ),
    (
        "tiny differences",
        "only zero is zero",
        [
            ("0", r"\sin\pi"), ("0", r"\sqrt{2}-\sqrt{2}"),
        ],
        [
            ("0", "e^{-50}"), ("1", "1-e^{-50}"), ("1", "1+10^{-15}"), ("0", "10^{-13}"), ("0.5", r"\frac12+10^{-20}"),
            ("2", "2+e^{-40}"), ("10^{20}", "10^{20}+1"), ("e", "e+10^{-12}"), ("1", r"\tanh 30"), ("1", r"\frac{e^{40}}{e^{40}+1}"),
        ],
    ),
    (
        "accents",
        "a bar, a hat, a dot make another variable",
        [
            (r"\hat x", r"\hat{x}"), (r"\vec{v}", "v"), (r"\mathbf{v}", "v"), (r"\overline{AB}", "AB"), (r"\overline{z_1}", r"\bar{z_1}"),
        ],
        [
            ("x", r"\hat{x}"), (r"\bar{x}", "x"), ("z", r"\overline{z}"), (r"\bar{z}+1", "z+1"), (r"\dot{x}", "x"), ("x'", "x"),
            ("z^*", "z"), (r"\tilde{x}", "x"), (r"\overline{z+w}", r"\bar z+\bar w"), (r"\overline{z+w}", "z+w"),
        ],
    ),
    (
        "words behind a number",
        "units and what is counted, never a part or a multiple",
        [
            ("5 dollars", r"\$5"), ("5 apples", "5"), (r"5 \text{ students}", "5"), ("5 units", "5"), (r"5\text{ square units}", "5"),
            (r"5 \text{ ways}", "5"), ("5 people", "5"), ("5 percent", "5"), (r"5 \text{ times}", "5"),
            ("5", r"5\text{ marbles in total}"), (r"20 \text{ years old}", "20"), (r"5 \text{ pairs}", "5"), ("5 dozen", "60"),
            (r"5\text{ (approximately)}", "5"), ("50 cents", r"\$0.50"), (r"\$1.50", "150 cents"), ("5 miles", "5"),
            (r"5\text{ digits}", "5"),
        ],
        [
            (r"5\text{ halves}", "5"), ("5 tenths", "5"), ("5 thirds", r"\frac53"), ("5 below zero", "5"), ("5 less than zero", "5"),
            ("5 or so", "5"), ("minus 5", "5"), ("5 minus 1", "5"), ("5 squared", "25"), (r"\$5", "5 cents"), ("£5", r"\$5"),
            (r"5 \text{ hundred}", "5"), ("5k", "5000"), (r"5 \text{ reciprocal}", "5"), (r"5\text{ inverse}", "5"),
            (r"5 \text{ cm}", r"5\text{ cm}^2"), (r"5 \text{ cm}", r"5\text{ m}"), ("5 kg", "5 g"), (r"5 \text{ modulo } 7", "5"),
            (r"5\text{ more}", "5"), (r"5 \text{ or fewer}", "5"),
        ],
    ),
    (
        "choices",
        "one letter, not a list of them",
        [
            ("A) 5", "A"), (r"\text{(A)}", "A"), ("Option A", "A"), ("The answer is A", "A"), (r"\mathbf{A}", "A"), ("A", "(A) 5"),
            ("AC", "A,C"), ("A, C", "AC"), ("C, A", "AC"), ("A;C", "A, C"), ("Yes.", "True"), ("False", "No"),
        ],
        [
            ("A. B. C. D.", "A"), ("A, B, C, D", "A"), ("A B", "A"), ("A and B", "A"), ("(A) 5 (B) 6", "A"), ("a", "A"), ("A|B", "A"),
            ("not A", "A"), ("A", "AC"), ("ABC", "AC"), ("Yes", "No"), ("yes and no", "yes"), ("No, yes", "Yes"), ("true/false", "true"),
            ("yes or no", "no"), ("Not yes", "yes"),
        ],
    ),
    (
        "decimals",
        "a decimal gold is exact; a long decimal stands for an exact gold",
        [
            ("0.33333", r"\frac13"), ("1.41421", r"\sqrt2"), ("(1.41421, 2)", r"(\sqrt2, 2)"), ("2.5", "2.5000"),
            ("x=1.41421,y=1", r"x=\sqrt2,y=1"),
        ],
        [
            ("12.46", "12.5"), ("3.14159", "3.14"), ("0.33", r"\frac13"), ("0.3333", r"\frac13"), ("2.50001", "2.5"),
        ],
    ),
    (
        "percent and degrees",
        "the sign may be left out",
        [
            (r"50\%", "0.5"), (r"50\%", r"\frac12"), (r"50\%", "50"), ("0.5", r"50\%"), (r"5^\circ", "5"),
        ],
        [
            (r"0.5\%", "0.5"), ("50", "0.5"), (r"5^\circ", r"5\%"),
        ],
    ),
    (
        "bases",
        "the base may be left out, the digits not",
        [
            ("1010", "1010_2"), ("1010_{two}", "1010_2"), ("(1010)_2", "1010_2"), ("2516_{8}", "2516_8"), (r"\text{1010}", "1010_2"),
            ("3AF_{16}", "3AF_{16}"), ("3AF", "3AF_{16}"),
        ],
        [
            ("1010_2", "1010"), ("10", "1010_2"), ("1010_3", "1010_2"), ("1011", "1010_2"),
        ],
    ),
    (
        "roots",
        "a root takes the whole number behind it",
        [
            ("√13", r"\sqrt{13}"), ("√(13)", r"\sqrt{13}"), ("2√3", r"2\sqrt3"), ("√2/2", r"\frac{\sqrt2}{2}"), ("∛x", r"\sqrt[3]{x}"),
            (r"\sqrt13", r"\sqrt{13}"), ("√x+1", r"\sqrt{x}+1"), (r"\sqrt[3]2", "2^{1/3}"), ("√3/3", r"\frac{1}{\sqrt3}"),
        ],
        [
            ("∛8", "2"), ("√23", r"2\sqrt3"), ("3√2", r"\sqrt[3]{2}"),
        ],
    ),
    (
        "fractional powers",
        "odd roots of negative numbers are real",
        [
            ("x^{1/3}", r"\sqrt[3]{x}"), ("(x+1)^{2/3}", r"\sqrt[3]{(x+1)^2}"), ("x^{1/2}", r"\sqrt{x}"), ("x^{0.5}", r"\sqrt x"),
            ("x^{-1/3}", r"\frac{1}{\sqrt[3]{x}}"), ("(x-5)^{1/5}", r"\sqrt[5]{x-5}"), ("(-8)^{1/3}", r"-\sqrt[3]{8}"),
            (r"x\sqrt{x}", "x^{3/2}"), (r"x^{\frac13}", "x^{1/3}"),
        ],
        [
            ("x^{2/3}", "x^{3/2}"),
        ],
    ),
    (
        "products of letters",
        "letters that are no word may be a product",
        [
            ("xyz", r"x\cdot y\cdot z"), ("ba", "ab"), ("ab", "a b"), ("2xy", "2yx"), ("mn", r"m\times n"), ("pq", "qp"),
            (r"\frac{ab}{c}", r"\frac{ba}{c}"), ("-xy", "-yx"),
        ],
        [
            ("xy", "x+y"), ("no", "on"), ("pots", "stop"), ("abc", "cba"), ("xy", "x^y"), ("it", "ti"),
        ],
    ),
    (
        "two writings",
        'values that "or" joins must all be equal',
        [
            (r"\frac12=0.5", r"\frac12"), ("0.5 or 1/2", "0.5"), ("1/2, i.e. 0.5", "1/2"), (r"\frac{1}{2} \text{ (or } 0.5)", r"\frac12"),
            (r"0.5 (or 50\%)", "0.5"), (r"\frac12 \approx 0.5", r"\frac12"), (r"90^\circ \text{ or } \frac{\pi}{2}", r"90^\circ"),
            (r"\sqrt{2} \approx 1.414", r"\sqrt2"), ("2^{3}=8", "8"), ("8 = 2^3", "8"),
        ],
        [
            ("1/2 (or 0.6)", "1/2"), ("1/2 or 1/3", "1/2"),
        ],
    ),
    (
        "decorations",
        "what only dresses an answer up changes nothing",
        [
            (r"\large 5", "5"), (r"\textcolor{red}{5}", "5"), (r"\color{blue}5", "5"), (r"{\color{red} 5}", "5"), ("**5**", "5"),
            ("*5*", "5"), (r"\therefore 5", "5"), ('5\u200b', "5"), ('\u200b5', "5"), ('\ufeff5', "5"), (r"5 \tag{1}", "5"),
            (r"\underline{5}", "5"), (r"\mathbf{5}", "5"), (r"\boldsymbol{\frac12}", r"\frac12"), (r"\displaystyle 5", "5"),
            (r"5 \checkmark", "5"), ("5 ✓", "5"), ("✅ 5", "5"), (r"5 \quad \blacksquare", "5"), ("`5`", "5"), (r"\text{5}", "5"),
            (r"\mathrm{5}", "5"), (r"\Huge{5}", "5"), ("# 5", "5"), ("#### 5", "5"), ("5.", "5"), ("= 5", "5"), ("$5$", "5"),
            ("$$5$$", "5"), (r"\(5\)", "5"), (r"\[5\]", "5"), ("<b>5</b>", "5"), (r"\hspace{1cm}5", "5"), (r"5\;", "5"), (r"\,5\,", "5"),
            (r"\implies 5", "5"), (r"\phantom{5}7", "7"), (r"\ensuremath{5}", "5"), (r"\emph{5}", "5"), (r"5\label{eq}", "5"),
            (r"\bf 5", "5"), (r"{\bf 5}", "5"), (r"5\normalsize", "5"), ('5\n', "5"), ("___5___", "5"), ("~5~", "5"),
            (r"\Rightarrow 5", "5"), (r"\colorbox{yellow}{5}", "5"), (r"\fbox{5}", "5"), ("5;", "5"), ("'5'", "5"), ("“5”", "5"),
            ("(5)", "5"), ("[5]", "5"), ("{5}", "5"), (r"\{5\}", "5"),
        ],
        [
            (r"x\to 5", "5"),
        ],
    ),
    (
        "old TeX",
        "over, choose, root, siunitx",
        [
            (r"1\over 2", r"\frac12"), (r"{1 \over 2}", r"\frac12"), (r"{x+1 \over x-1}", r"\frac{x+1}{x-1}"), (r"{{1}\over{2}}", "0.5"),
            (r"{n \choose 2}", r"\binom{n}{2}"), (r"n\choose k", r"\binom nk"), (r"\sqrt{a\over b}", r"\sqrt{\frac ab}"), (r"\rm 5", "5"),
            (r"\nicefrac{1}{2}", "0.5"), (r"\tfrac12", "0.5"), (r"\cfrac{1}{2}", "0.5"), ("1/2", "0.5"), (r"\qty{5}{\metre}", "5"),
            (r"\SI{5}{\kilo\metre}", "5"), (r"\num{1.5e3}", "1500"), (r"\ang{30}", r"30^\circ"), (r"\root 3 \of 2", r"\sqrt[3]{2}"),
            (r"\frac1{2}", "0.5"), (r"\frac{1}2", "0.5"), (r"\dfrac ab", r"\frac{a}{b}"), (r"2^\frac12", r"\sqrt2"),
            (r"\left. 5 \right.", "5"),
        ],
        [
        ],
    ),
    (
        "Chinese",
        "units, words, numerals and signs",
        [
            ("无解", "no solution"), ("1或2", "1,2"), ("1或2", "1 or 2"), ("x=1或x=2", "1,2"), ("12平方厘米", "12"), ("12平方厘米", "12 cm^2"),
            ("3小时", "3"), ("5个", "5"), ("5人", "5"), ("五", "5"), ("否", "No"), ("是的", "Yes"), ("正确", "True"), ("错误", "False"),
            ("不存在", "does not exist"), ("答案是5", "5"), ("答：5", "5"), ("5％", "5%"), ("百分之五十", "50%"), ("百分之50", "50%"), ("三分之一", "1/3"),
            ("1、2、3", "1,2,3"), ("5千克", "5 kg"), ("500克", "0.5千克"), ("5 米", "5"), ("30度", "30"), ("60分钟", "1小时"), ("5万元", "50000元"),
            ("1.5亿", "150000000"), ("2π厘米", r"2\pi"), ("全体实数", r"\mathbb{R}"), ("（-∞，2）", r"(-\infty,2)"), ("［1，2］", "[1,2]"),
            ("｛1，2｝", r"\{1,2\}"), ("x＞2", "x>2"), ("x≥2", r"[2,\infty)"), ("没有实数根", "no real roots"), ("２", "2"), ("5/6小时", "5/6"),
            ("5公里", "5 km"), ("7本", "7"), ("三", "3"), ("十二", "12"), ("选C", "C"), ("故选：C．", "C"), ("选项C", "C"), ("C选项", "C"),
            ("应选 C。", "(C) 12"), ("答案选C", "C"), ("选择C", "C"), ("选CD", "CD"), ("选A、C", "AC"), ("答案：5", "5"), ("最终答案：x=5", "5"),
            ("结果是5", "5"), ("所以，答案为：5", "5"), ("无意义", "undefined"),
        ],
        [
            ("5元", "5角"), ("2小时", "2分钟"), ("第5天", "5"), ("5和6", "5"), ("5或6", "5"), ("12米", "12厘米"), ("半", "0.5"),
            ("选D", "C"), ("不选C", "C"), ("没有选C", "C"), ("选错C", "C"), ("选C或D", "C"), ("选C，D", "C"), ("选CD", "C"), ("选项C错误", "C"),
            ("答案：5或6", "5"), ("答案：5 6", "5"), ("答案：6", "5"), ("答案不是5", "5"), ("无意义", "no solution"),
        ],
    ),
    (
        "units",
        "sizes are compared, compound units added up",
        [
            ("1 h 30 min", "90 min"), ("1 hour 30 minutes", "1.5 hours"), ("1 hour and 30 minutes", "90 minutes"),
            ("5 ft 3 in", "63 inches"), ("1.5 km", "1500 m"), ("1500 m", "1.5 km"), ("500 g", "0.5 kg"), ("2 lb 4 oz", "36 oz"),
            ("60 km/h", "60"), ("36 km/h", "10 m/s"), ("1 m^2", "10000 cm^2"), ("1000 cm^3", "1 liter"), ("1 day 2 hours", "26 hours"),
            ("2 weeks", "14 days"), (r"\frac12 hour", "30 minutes"), ("2 min 30 s", "150 seconds"), (r"180^\circ", r"\pi \text{ rad}"),
            (r"\pi rad", r"180^\circ"), (r"\$2", "200 cents"), ("3 yd", "9 ft"), ("1 mile", "5280 feet"), ("24 months", "2 years"),
            ("5 N", "5 kg m/s^2"), ("5 ml", "5 cm^3"), (r"5\text{ cm}", r"5\text{cm}"), ("5cm", "5 cm"), ("5cm", "5"),
            (r"5\,\mathrm{cm}", "5"), (r"100^\circ C", "100"), ("1 h 90 min", "150 min"),
        ],
        [
            ("2 ft 3 ft", "5"), ("1 unit by 1 unit", "2"), ("2 in 3 ft", "5"), ("3 ft 2 in", "1 in 4 ft"), ("1 in 4 ft", "2 in 3 ft"),
            ("5 ft 3 in", "5 ft 4 in"), ("90 minutes", "1.5"), ("1.5 hours", "90"), ("5 m/s", "5 m/s^2"),
            (r"100^\circ\text{C}", r"100^\circ\text{F}"), (r"5 \text{ hours}", r"5 \text{ minutes}"), ("30 min 1 h", "90 min"),
            ("5 cm and 6 cm", "5 cm"),
        ],
    ),
    (
        "parameters",
        "a whole number, a constant and a running variable may have any name",
        [
            (r"n\pi", r"k\pi"), (r"k\pi, k \in \mathbb{Z}", r"n\pi"), (r"x = k\pi", r"k\pi, k\in\mathbb{Z}"),
            (r"n\pi, n \in \mathbb{Z}", r"k\pi, k \in \mathbb{Z}"), (r"\frac{\pi}{4}+n\pi", r"\frac{\pi}{4}+k\pi, k\in\mathbb{Z}"),
            (r"\frac{5\pi}{4}+n\pi, n\in\mathbb{Z}", r"\frac{\pi}{4}+k\pi, k\in\mathbb{Z}"), (r"\pi n", r"k\pi"),
            (r"x=\frac{\pi}{2}+2\pi n \text{ for integer } n", r"\frac{\pi}{2}+2k\pi"),
            (r"\frac{\pi}{2}+2\pi n, \text{ where } n \text{ is an integer}", r"\frac{\pi}{2}+2k\pi"),
            (r"k\pi (k\in\mathbb{Z})", r"k\pi"), (r"k\pi \quad (k \in \mathbb{Z})", r"n\pi, n\in\mathbb{Z}"),
            (r"2n+1, n\in\mathbb{Z}", r"2k+1, k\in\mathbb{Z}"), (r"2n-1, n\in\mathbb{Z}", r"2k+1, k\in\mathbb{Z}"),
            (r"30^\circ + 360^\circ k", r"30^\circ + 360^\circ n"), (r"\pm\frac{\pi}{3}+2k\pi", r"\pm\frac{\pi}{3}+2n\pi, n\in\mathbb Z"),
            ("x^2/2+C", r"\frac{x^2}{2}+C"), (r"\frac{x^2}{2}+K", r"\frac{x^2}{2}+C"), (r"\sin x + c", r"\sin x + C"),
            (r"\ln|x|+C", r"\ln|x|+c"), (r"C+\sin x", r"\sin x + C"), (r"\sin x + C_1", r"\sin x + C"),
            (r"\sin x+\text{constant}", r"\sin x+C"), (r"\sum_{i=1}^{n} i^2", r"\sum_{k=1}^{n} k^2"),
            (r"\prod_{j=1}^n (1+j)", r"\prod_{i=1}^n (1+i)"), (r"\lim_{h\to0} h", r"\lim_{x\to0} x"),
            (r"\{2n+1 : n\in\mathbb{Z}\}", r"\{2k+1 : k\in\mathbb{Z}\}"), (r"\{2k-1 : k\in\mathbb{Z}\}", r"\{2k+1 : k\in\mathbb{Z}\}"),
            (r"\{(x,y) : x+y=1\}", r"\{(x,y) \mid x+y=1\}"), (r"\{x\in\mathbb{R} : x\ne 2\}", r"x \ne 2"),
        ],
        [
            (r"2k\pi", r"k\pi"), (r"\frac{\pi}{3}+n\pi", r"\frac{\pi}{4}+k\pi"), (r"\pi", r"k\pi"),
            (r"2n, n\in\mathbb{Z}", r"2k+1, k\in\mathbb{Z}"), ("n", "k"), ("2n+1", "2k+1"), (r"\sin x", r"\sin x + C"),
            (r"\sin x+C", r"\sin x"), (r"\cos x+C", r"\sin x + C"), ("x^2+x", "x^2+C"), ("y=Ce^x", "y=ce^x"),
            (r"\sum_{i=1}^{n} i^3", r"\sum_{k=1}^{n} k^2"), (r"\sum_{i=0}^{n} i^2", r"\sum_{k=1}^{n} k^2"),
            (r"\{k : k\in\mathbb{Z}\}", r"\{2k+1 : k\in\mathbb{Z}\}"), (r"\{(x,y) : x+y=2\}", r"\{(x,y) \mid x+y=1\}"),
        ],
    ),
    (
        "number formats",
        "groups of digits and decimal commas",
        [
            ("1.222,45", "1222.45"), ("12,34,567", "1234567"), ("1.234.567", "1234567"), ("1 234 567,89", "1234567.89"),
            ("1.234.567,89", "1234567.89"), ("1,234,567.89", "1234567.89"), ("1'000'000", "1000000"), ("1’000", "1000"),
            ("10,00,000", "1000000"), ("3,14", "3.14"), ("-1.222,45", "-1222.45"), ("1.222,45 €", "1222.45"), ("12,345", "12345"),
            ("1 000", "1000"), (r"1\,000", "1000"), ("1{,}000{,}000", "1000000"), ("0,5", "0.5"), ("1,5e3", "1500"), ("1.5E3", "1500"),
            ("1.5*10^3", "1500"), ("1.5·10^3", "1500"), ("1.5 x 10^3", "1500"), ("2,50", "2.5"), ("1,23,456", "123456"), ("2,00 €", "2"), ("-5, 0", "-5,0"),
        ],
        [
            ("2,0", "2"), ("-3", "-3,0"), ("2", "2,0"), ("-5,0", "-5"),
            ("1.222", "1222"), ("1,222", "1.222"), ("1,234,56", "1234.56"),
        ],
    ),
    (
        "sentences",
        'what follows the last "is", or the only number',
        [
            ("The measure of angle C is 90 degrees.", "90"), ("The measure of angle C is 90 degrees.", r"90^\circ"),
            ("The value of x is 5", "5"), (r"The answer is $\frac{1}{2}$.", "0.5"), ("There are 12 ways.", "12"),
            ("John has 5 apples.", "5"), ("The area equals 12 square units", "12"), ("It takes 5 hours", "5"),
            (r"So the total cost is \$12.50.", "12.5"), ("The probability is 1/3.", r"\frac13"), ("5 is the answer", "5"),
            ("The number of ways is 2^3 = 8", "8"), ("Answer: 5", "5"), ("answer = 5", "5"), ("Final answer: 5", "5"),
            ("The distance between A and B is 5 km", "5 km"), ("The answer is yes", "yes"), ("The remainder is 3", "3"),
            ("The remainder when 17 is divided by 5 is 2.", "2"), ("the solutions are $x=1$ and $x=2$", "1,2"),
            ("the solutions are 1 and 2", "1,2"),
        ],
        [
            ("x is 5 and y is 6", "6"), ("The answer is not 5", "5"), ("The answer is 5 or 6", "5"),
            ("The sum is 5, the product is 6", "6"), ("The function is increasing", "increasing"), ("x could be 5", "5"),
            (r"\begin{cases} x=1 \\ y=4 \end{cases}", "4"),
            (r"\begin{array}{l} f(5)=10 \\ g(4)=4 \end{array}", "4"), ("17 divided by 5 has remainder 2", "2"), ("Either 5 or 7 is the answer", "7"), ("If x = 7 then it holds", "7"),
        ],
    ),
    (
        "golds with words",
        "words behind a gold name what is counted",
        [
            ("17", r"17\text{ any text}"), ("17", r"17 \text{ widgets}"), ("17", r"17 \text{ (units)}"), ("17 cm", r"17\text{ any text}"),
            ("0.5", r"0.5\text{ of the class}"),
        ],
        [
            ("18", r"17\text{ any text}"), ("17", r"17\text{ or more}"), ("17", r"17\text{ tenths}"),
            ("17", r"17\text{ boys and }18\text{ girls}"),
        ],
    ),
    (
        "matrices",
        "doubled backslashes",
        [
            (r"\\begin{pmatrix} 1 \\\\ 2 \\end{pmatrix}", r"\begin{pmatrix}1\\2\end{pmatrix}"),
            (r"\begin{pmatrix} 1 \\\\ 2 \end{pmatrix}", r"\begin{pmatrix}1\\2\end{pmatrix}"),
            (r"\begin{bmatrix} 1 & 2 \\\\ 3 & 4 \end{bmatrix}", r"\begin{pmatrix}1&2\\3&4\end{pmatrix}"), (r"\\frac{1}{2}", "0.5"),
            (r"\\sqrt{2}", r"\sqrt2"), (r"\\left(1,2\\right)", "(1,2)"), (r"\\{1,2\\}", r"\{1,2\}"),
            (r"\begin{pmatrix}1\\2\\\end{pmatrix}", r"\begin{pmatrix}1\\2\end{pmatrix}"),
            (r"\begin{array}{cc}1&2\\3&4\end{array}", r"\begin{pmatrix}1&2\\3&4\end{pmatrix}"),
        ],
        [
            (r"\begin{pmatrix}2\\1\end{pmatrix}", r"\begin{pmatrix}1\\2\end{pmatrix}"), (r"\begin{vmatrix}1&2\\3&4\end{vmatrix}", "-2"),
        ],
    ),
    (
        "piecewise functions and dots",
        "each value with its condition; dots keep the order",
        [
            (r"\begin{cases}-x & x\le 0\\x & x>0\end{cases}", r"\begin{cases}x & x > 0 \\ -x & x \leq 0\end{cases}"),
            (r"\begin{cases}x & \text{if } x>0\\-x & \text{otherwise}\end{cases}", r"\begin{cases}x & x > 0 \\ -x & \text{otherwise}\end{cases}"),
            (r"\begin{cases}x, & \text{if } x>0,\\-x, & \text{if } x \le 0.\end{cases}", r"\begin{cases}x & x > 0 \\ -x & x \le 0\end{cases}"),
            (r"f(x)=\begin{cases}x & x>0\\-x & x\le 0\end{cases}", r"\begin{cases}x & x > 0 \\ -x & x \leq 0\end{cases}"),
            (r"1,2,\dots,n", r"1,2,\ldots,n"), ("1,2,...,n", r"1,2,\ldots,n"), (r"\{1,2,\ldots,10\}", r"\{1,2,3,4,5,6,7,8,9,10\}"),
            (r"2,4,\ldots,10", "2,4,6,8,10"),
        ],
        [
            (r"\begin{cases}-x & x>0\\x & x\le 0\end{cases}", r"\begin{cases}x & x > 0 \\ -x & x \leq 0\end{cases}"),
            (r"\begin{cases}x & x<0\\-x & x\ge 0\end{cases}", r"\begin{cases}x & x > 0 \\ -x & x \leq 0\end{cases}"),
            (r"2,1,\ldots,n", r"1,2,\ldots,n"), (r"1,2,\ldots,9", "1,2,3,4,5,6,7,8,9,10"), (r"x_1+\cdots+x_n", "x_1+x_n"),
        ],
    ),
    (
        "words",
        "answers in words, times, remainders",
        [
            ("none", "no solution"), ("There is no solution", "no solution"), ("no solutions", r"\emptyset"), (r"\varnothing", "none"),
            ("DNE", r"\text{does not exist}"), ("infinity", r"\infty"), ("all real numbers except 0", r"(-\infty,0)\cup(0,\infty)"),
            ("all real numbers", r"(-\infty,\infty)"), ("Monday", "monday"), ("a square", "square"), ("June 5th", "June 5"),
            ("3:45 p.m.", "15:45"), ("3:45", "3:45 pm"), ("5 r 3", "5 R 3"), ("5 remainder 3", "5 R 3"), (r"5\text{ R }3", "5 R3"),
            ("5R3", "5 R 3"),
        ],
        [
            ("infinite", r"\infty"), (r"\infty", "infinitely many"), ("0", "none"), ("all real numbers except 0", r"\mathbb{R}"),
            ("Monday", "Tuesday"), ("Alice", "Bob"), ("red ball", "red"), ("increasing", "decreasing"), ("not increasing", "increasing"),
            ("rectangle", "square"), ("isosceles triangle", "isosceles"), ("July 4", "July 5"), ("15:45", "3:45 AM"),
            ("noon", "12:00 pm"), ("5 R 3", "5"), ("5", "5 R 3"),
        ],
    ),
    (
        "complex numbers",
        "i and j",
        [
            ("3+4j", "3+4i"), ("4i+3", "3+4i"), (r"e^{i\pi/2}", "i"), (r"\frac{1-i}{2}", r"\frac12-\frac i2"),
        ],
        [
            ("3-4j", "3+4i"), ("3+i4", "3+4i"), ("-i", "i"), ("2i", "2"), (r"\frac{1}{1+i}", r"\frac{1-i}{2}"),
        ],
    ),
    (
        "several kinds",
        "equations, ratios, powers, signs",
        [
            (r"\frac{x^2-1}{x-1}", "x+1"), (r"\ln x", r"\log x"), (r"x=\pm 2", "2,-2"), ("y-2x=1", "y=2x+1"), ("2x+1", "y=2x+1"),
            ("f(x)=2x+1", "y=2x+1"), ("6:8", "3:4"), ("3/4", "3:4"), ("1:2:3", "2:4:6"), ("25", "5^2"), ("5^2", r"5 \cdot 5"),
            ("100!", "100!"), ("2^{100}", "2^{100}"), ("4^{50}", "2^{100}"), (r"\frac{0}{1}", "0"), ("-0", "0"), (r"\frac{5}{1}", "5"),
            ("5.0", "5"), ("05", "5"), ("5.00", "5"), (r"\frac{10}{2}", "5"), ("+5", "5"), (r"\frac{-5}{-1}", "5"),
        ],
        [
            ("x+1", "x+2"), (r"\log_{10}x", r"\log x"), ("2x=4", "x=2"), ("x^2=4", r"x=\pm2"), (r"\pm2", "2"), ("2", r"\pm 2"),
            ("x=2y+1", "y=2x+1"), ("3:4", "4:3"), (r"5 \times 5", "25"), ("2^{101}", "2^{100}"),
        ],
    ),
    (
        "many kinds",
        "what the other kinds leave out: signs, siunitx, complex numbers, money, dates, lists, records",
        [
            (r"\SI{5}{km}", "5 km"), (r"\qty{3}{m/s}", "3"), (r"\SI{9.8}{\meter\per\second\squared}", "9.8"), (r"\num{1 234}", "1234"),
            (r"\num{1.5e-3}", "0.0015"), (r"\SI{5}{\percent}", r"5\%"), (r"\fcolorbox{red}{white}{5}", "5"), (r"\text{Answer: }5", "5"),
            ("**Answer:** 5", "5"), ("Answer: **5**", "5"), ("{{5}}", "5"), ('"5"', "5"), (r"\bbox[yellow]{5}", "5"),
            (r"\mathcal{5}", "5"), (r"5\ ", "5"), (r"$\boldsymbol{5}$", "5"), (r"\textbf{5}", "5"), (r"\textit{Yes}", "Yes"),
            (r"\dfrac{1}{2}", "0.5"), (r"5 \text{.}", "5"), (r"\quad 5 \quad", "5"), (r"\rightarrow 5", "5"), ("→ 5", "5"),
            ("∴ x = 5", "5"), ("x = 5 ✓", "5"), ("5 (final answer)", "5"), (r"5\text{ (answer)}", "5"), ("<p>5</p>", "5"),
            ("5<|im_end|>", "5"), ("5</s>", "5"), ("x²", "x^2"), ("½", "0.5"), ("½x", r"\frac{x}{2}"), ("x₁", "x_1"), ("x⁻¹", r"\frac1x"),
            ("√(x+1)", r"\sqrt{x+1}"), ("π²", r"\pi^2"), ("2π", r"2\pi"), ("x≤5", r"x\le5"), ("(−∞, 2]", r"(-\infty,2]"), ("|x|", "|x|"),
            ("∣x∣", "|x|"), ("a·b", "ab"), ("2×10⁵", "200000"), ("45º", "45"), ("x∈[0,1]", "[0,1]"), ("θ", r"\theta"), ("Δ", r"\Delta"),
            ("1⁄2", "1/2"), ("⅞", "7/8"), ("1½", "1.5"), ("５０％", "50%"), ("∅", r"\emptyset"), ("≈5", "5"), ("x ≠ 2", r"x\ne2"),
            ("ℝ", r"\mathbb{R}"), ("e²", "e^2"), ("√2⁄2", r"\frac{\sqrt2}{2}"), ("2√2", r"2\sqrt2"), ("−½", "-0.5"),
            (r"<thinking>\boxed{5}</thinking>\boxed{6}", "6"), (r"I put the answer in \boxed{your final answer here}: \boxed{5}", "5"),
            (r"\boxed{5} as requested in \boxed{ANSWER}", "5"), (r"Format: \boxed{...}. Answer \boxed{5}", "5"),
            (r"\boxed{5}. Use \boxed{} for answers.", "5"), (r"\boxed{\boxed{5}", "5"),
            (r"The final answer is $\boxed{5}$. I hope it is correct.", "5"), (r"$\boxed{5}$ cm", "5"),
            (r"$\boxed{5}$ or $\boxed{-5}$", r"\pm5"), (r"\boxed{x=5}, where x is", "5"),
            (r"\[\boxed{\begin{aligned}x&=1\\y&=2\end{aligned}}\]", "(1,2)"), (r"\boxed {5}", "5"),
            (r"\boxed{5} and also note \boxed{5}", "5"), (r"\boxed{5} is wrong; \boxed{6}", "6"), (r"(\boxed{1},\boxed{2})", "(1,2)"),
            (r"\boxed{1}, \boxed{2}", "(1,2)"), (r"2^{2024}\cdot 2", "2^{2025}"), ("+∞", r"\infty"), ("inf", r"\infty"), ("x=2", "x-2=0"),
            ("2x+y=3", "4x+2y=6"), ("y=-2x+3", "2x+y=3"), ("(x-1)^2+y^2=4", "x^2-2x+y^2=3"), ("x+1=0", "-x-1=0"),
            (r"\langle 1,2\rangle", "(1,2)"), (r"1\mathbf{i}+2\mathbf{j}", "(1,2)"), ("<1,2>", "(1,2)"), ("-2 1/2", "-2.5"),
            (r"-2\frac12", "-2.5"), ("1 3/4 cups", "1.75"), (r"2 \frac{1}{2}", "2.5"), ("5/2", "2 1/2"),
            ("6.02e23", r"6.02 \times 10^{23}"), ("6.02*10**23", r"6.02 \times 10^{23}"), ("6.02E+23", r"6.02 \times 10^{23}"),
            ("0.00015", r"1.5\times10^{-4}"), (r"1.5 \cdot 10^{-4}", "0.00015"), (r"15\times 10^{-5}", r"1.5\times10^{-4}"),
            (r"2+3\mathrm{i}", "2+3i"), ("3i+2", "2+3i"), ("2+3i", "2+3j"), (r"\pm 3i", "3i,-3i"), (r"2e^{i\pi/3}", r"1+\sqrt3 i"),
            (r"\$1,234.50", "1234.5"), ("$1234.50", "1234.5"), ("USD 5", "5"), ("5 USD", r"\$5"), ("5€", "5"), ("5 €", "€5"),
            ("£3.50", "3.5"), (r"-\$5", "-5"), (r"\$-5", "-5"), ("5 dollars and 50 cents", r"\$5.50"), ("€5", "5 euros"),
            (r"\$3 million", "3000000"), (r"2\sin x\cos x", r"\sin 2x"), (r"1-\sin^2 x", r"\cos^2 x"), (r"\sin^{-1}(x)", r"\arcsin x"),
            (r"\tan x", r"\frac{\sin x}{\cos x}"), (r"\sec^2x-1", r"\tan^2 x"), ("sin(x)cos(x)", r"\frac12\sin(2x)"),
            (r"\cos(2x)", r"2\cos^2 x-1"), ("3:45PM", "3:45 pm"), ("03:45 pm", "3:45 pm"), ("3pm", "3:00 pm"),
            ("17 remainder 2", "17 R 2"), ("17 R2", "17 r 2"), (r"185 \,", "185"), ("185;", "185"), ('185\\\\', "185"), ("185 .", "185"),
            ("185,", "185"), ("5 and 3", "3,5"), ("5; 3", "3,5"), ("{3,5}", "3,5"), ("[3,5]", "5,3"), ("3, 5, 5", "3,5"),
            ("(5,3),(3,5)", "(3,5),(5,3)"), ("x=3 or x=5", "3,5"), (r"3\text{ or }5", "x=3, x=5"), ("0.3333333", r"\frac13"),
            ("3.1416", r"\pi"), ("3.1415", r"\pi"), ("2.71828", "e"), ("7.0711", r"5\sqrt2"), ("1:2", "0.5"), ("1:2", "2:4"),
            ("1 to 2", "1:2"), ("1/2", "1:2"), ("no", "No"), ("No.", "No"), ("False", "No"), (r"\text{No real solutions}", "no solution"),
            ("the empty set", r"\emptyset"), (r"\{\}", "no solution"), ("all reals", r"\mathbb{R}"), (r"(-\infty,\infty)", r"\mathbb R"),
            (r"\mathbb{R}\setminus\{0\}", r"(-\infty,0)\cup(0,\infty)"), (r"x\neq0", r"(-\infty,0)\cup(0,\infty)"), ("n=3k+1", "n=3k+1"),
            ("x_1 = 1, x_2 = 2", "1,2"), ("a=1,b=2", "b=2,a=1"), ("(a,b)=(1,2)", "(1,2)"), (r"a=1\text{ and }b=2", "(1,2)"),
            (r"x=1\\y=2", "(1,2)"), ("A=(1,2)", "(1,2)"), ("A(1,2)", "(1,2)"), ("(1;2)", "(1,2)"),
        ],
        [
            (r"\star 5", "5"), ("3×4", "12"), ("2³", "8"), ("x³ˆ2", "x^3"), ('\\boxed{5}\n\\boxed{}', "5"), (r"$\boxed{5}$ dozen", "5"),
            (r"\boxed{5", "5"), (r"\boxed{}{5}", "5"), (r"\text{boxed}{5}", "5"), (r"\Boxed{5}", "5"), (r"x=\boxed{5}/2", "5"),
            (r"\boxed{5}x", "5"), (r"\boxed{5}+1", "5"), (r"$\boxed{2}\sqrt{3}$", "2"), (r"$\boxed{5}\pi$", "5"),
            (r"\boxed{2}, \boxed{1}", "(1,2)"), ("10^{2025}", "10^{2024}"), (r"-\infty", r"\infty"), ("x-2=0", "x=2"),
            ("x^2+y^2=4", "x^2+y^2=2"), (r"\begin{pmatrix}1&2\end{pmatrix}", r"\begin{pmatrix}1\\2\end{pmatrix}"), ("2-1/2", "2.5"),
            (r"2+\frac12", "2.5"), (r"2\frac{3}{2}", "3.5"), ("(2,3)", "2+3i"), (r"\$5", "-5"), (r"\cos x", r"\sin x"),
            ("June 5, 2020", "5 June 2020"), ("3.45pm", "3:45 PM"), ("3:45 am", "3:45 pm"), ("2 R 17", "17 R 2"), ("3 5", "3,5"),
            ("3,5,7", "3,5"), ("(3,5)", "(3,5),(5,3)"), ("x=3, y=5", "x=5,y=3"), (r"\frac{1}{3}", "0.333"), ("1/3", "0.33"),
            ("0.67", r"\frac23"), (r"66.67\%", r"\frac23"), ("3.142", r"\pi"), ("7.07", r"5\sqrt2"), ("7.071", r"5\sqrt{2}"),
            ("2:1", "1:2"), ("nope", "No"), ("no solution", "no"), ("n/a", "none"), ("impossible", "no solution"),
            (r"n \equiv 1 \pmod 3", r"n\equiv 4 \pmod 3"), (r"1 \bmod 3", "1"), ("3m+1", "3k+1"), ("(a,b)=(2,1)", "(1,2)"),
            ("(1|2)", "(1,2)"),
        ],
    ),
    (
        "two answers in one",
        "one response may not earn the reward for two golds: fields of data, every whole number, a word before a number, a second thought",
        [
            ('{"answer": "yes", "x": "5"}', "yes"), ('{"x": "5", "answer": "1/2"}', "0.5"), (r"k\pi, k \in \mathbb{Z}", r"n\pi"),
            (r"\frac12, that is 0.5", "0.5"), ("Total: 5", "5"), ("yes: it is", "yes"),
        ],
        [
            ('{"answer": "yes", "x": "1/2"}', "1/2"), ('{"answer": "B", "x": "5 m"}', "5 m"), (r"k, k \in \mathbb{Z}", "B"),
            (r"k, k \in \mathbb{Z}", "n"), (r"2k-1, k \in \mathbb{Z}", "2n+1"), (r"k+1, k \in \mathbb{Z}", "y=x"), ("yes: 5", "5"),
            ("1, that is -1", "-1"),
        ],
    ),
    (
        "labels and articles",
        "a capital A is a name and no article, and so is an a with no word behind it",
        [
            (r"\text{a circle}", r"\text{A circle}"), ("A circle", "circle"), ("an Ellipse", "The ellipse"), ("player A", r"\text{Player A}"),
            (r"\text{the Team A wins}", r"\text{Team A wins}"),
        ],
        [
            ("Player", r"\text{Player A}"), (r"\text{Box}", r"\text{Box A}"), (r"\text{Team wins}", r"\text{Team A wins}"),
            ("wins", r"\text{A wins}"), ("player", "player a"), ("point", "point A"), ("A", r"\text{Player A}"), ("Player B", "Player A"),
        ],
    ),
    (
        "words behind a letter",
        "what is stated of a letter is compared; units and what a longer expression counts may be left out",
        [
            (r"n\text{ even}", r"n \text{ even}"), (r"p \text{ prime}", r"p\text{ Prime}"), ("x", r"x \text{ cm}"), ("n", r"n \text{ ways}"),
            ("2^n", r"2^n \text{ subsets}"), ("2n", r"2n \text{ odd numbers}"), ("2x", r"2x \text{ square units}"),
            (r"n \text{ ways}", "n"), (r"2x \text{ apples}", "2x"), (r"\frac{k\pi}{2}, k \text{ odd}", r"k\pi/2, k \text{ odd}"),
        ],
        [
            ("n", r"n \text{ even}"), (r"n \text{ odd}", r"n \text{ even}"), ("n, n", r"n \text{ even}"), ("n=n", r"n \text{ even}"),
            (r"n \text{ prime}", r"n \text{ even}"), ("p", r"p \text{ prime}"), (r"p \text{ composite}", r"p \text{ prime}"),
            (r"x \text{ irrational}", r"x \text{ rational}"), ("f", r"f \text{ constant}"), (r"f \text{ linear}", r"f \text{ constant}"),
            ("n", r"n \text{ square}"), ("n", r"n \text{ power of 2}"), ("a", r"a \text{ integer}"), ("n", r"n \text{ primes}"),
            (r"2x \text{ m}", r"2x \text{ cm}"), ("2n", r"2n \text{ odd}"), ("x=2n", r"x = 2n \text{ odd}"), (r"n \text{ even}", "n"), ("a=1, b=b", r"a=1, b \text{ arbitrary}"),
            (r"k\pi/2, k \text{ even}", r"k\pi/2, k \text{ odd}"), (r"k\pi/2, k", r"k\pi/2, k \text{ odd}"), (r"k\pi/2", r"k\pi/2, k \text{ odd}"),
        ],
    ),
    (
        "approximations",
        "both sides of an approximation agree to the rounding of the coarser one, or the answer says two things; a named value is one thing",
        [
            (r"\sqrt2 \approx 1.4", r"\sqrt2"), (r"\frac23 \approx 0.66", r"\frac23"), (r"\frac23 \approx 66.7\%", r"\frac23"),
            (r"x = \frac{7}{3} \approx 2.33", r"\frac73"), (r"1234 \approx 1200", "1234"), (r"\pi \approx 3.14159", r"\pi"),
            (r"10\pi \approx 31", r"10\pi"), (r"1.5 \text{ hours} \approx 90 \text{ minutes}", "1.5 hours"), (r"x \approx 5", "5"),
            (r"2^{20} \approx 1.05 \times 10^6", "2^{20}"), (r"\frac{5}{3} \approx 1.667 \approx 1.7", r"\frac53"), (r"5 \approx 5.0", "5"), (r"x=1/3\approx1.3", "1/3"),
            (r"x = 100\text{ minutes} \approx 1.7 \text{ hours}", "100 minutes"), (r"-\sqrt2 \approx -1.41", r"-\sqrt2"),
        ],
        [
            (r"5 \approx 6", "5"), (r"5 \sim 6", "5"), (r"5 \simeq 7", "5"), (r"5 \approx 6 \approx 7", "5"), (r"5 \approx 4", "5"),
            (r"6 \approx 5", "6"), ("5 ≈ 6", "5"), (r"5 \approx 10", "5"),
            (r"\sqrt2 \approx 1.5", r"\sqrt2"), (r"1, 5 \approx 6", "1, 5"), (r"\frac12 \approx 60\%", r"\frac12"),
            (r"5 \text{ cm} \approx 6 \text{ cm}", "5 cm"), (r"5 \approx 5.4 \approx 6", "5"), (r"\frac12 \approx \frac34", r"\frac12"),
        ],
    ),
    (
        "false equations",
        "numbers that an equals sign joins are equal, or the answer says two things; a name, a rounding, a unit, a modulus and letters are left alone",
        [
            ("x=7", "7"), ("7=7", "7"), ("3+4=7", "7"), ("3 + 4 = 7 = 7.0", "7"), (r"\frac23 = 0.667", "0.667"), (r"\frac12=50\%", r"50\%"),
            ("50=50\\%", r"50\%"), (r"30^\circ=\frac{\pi}{6}", r"\frac{\pi}{6}"), ("3 ft = 36 in", "36 in"), ("1 hour = 60", "60"),
            (r"\log 100 = 2", "2"), (r"\sin 30 = \frac12", r"\frac12"), (r"e=\frac{\sqrt3}{2}", r"\frac{\sqrt3}{2}"), (r"e^2=\frac34", r"\frac34"),
            (r"2^{10} \equiv 2 \pmod 7", r"2 \pmod 7"), (r"\sum_{k=1}^{3} 2 = 6", "6"), ("f(2)=7", "7"), ("a+b=7", "7"), ("101_2=5", "5"),
            (r"\binom{5}{2}=10", "10"), ("6:8=3:4", "3:4"), ("5,7=7", "5,7"), ("the total is 5 + 2 = 7", "7"), ("So n(4-1)=7 apples", "7"),
            ("x = 5+2 = 8 = 7", "7"),  # labelled right in two public sets: what is named has its last value
        ],
        [
            ("5=7", "7"), ("5=7", "5"), ("3+5=7", "7"), ("5=7=7", "7"), ("7=5=7", "7"), ("5=x=7", "7"), ("5==7", "7"), (r"5 \equiv 7", "7"),
            ("(5=7)", "7"), ("1, 5=7", "1,7"), ("5:7=7", "7"), ("5=5.4", "5.4"), ("16/3=5", "5"), (r"\sqrt{17}=5", "5"), ("10^2=1000", "1000"),
            (r"\text{5 = 7}", "7"), (r"$5=7$", "7"), ("3 ft = 35 in", "35 in"), ("5 := 7", "7"), ("we see that 5 = 7", "7"),
            ("The total is 5 + 3 = 7", "7"), (r"\begin{aligned}5&=7\end{aligned}", "7"), ("5 = 6 \\approx 6", "6"), ("2+2=5 or 5", "5"),
            (r"5 \text{ cm}=7 \text{ cm}", "7"), (r"5 \text{ hours} = 7 \text{ hours}", "7 hours"), (r"5=\text{no solution}", r"\emptyset"),
        ],
    ),
    (
        "names of other countries",
        "functions and binomial coefficients under the names that other countries use",
        [
            (r"\operatorname{tg} x", r"\tan x"), (r"\tg x", r"\tan x"), ("tg x", r"\tan x"), (r"\mathrm{tg}\,x", r"\tan x"), (r"\tan x", r"\operatorname{tg} x"),
            (r"\operatorname{ctg} x", r"\cot x"), (r"\operatorname{arctg}(2)", r"\arctan 2"), (r"\operatorname{cosec} x", r"\csc x"),
            (r"\operatorname{sin} x", r"\sin x"), (r"\mathrm{sin}^2 x", r"\sin^2 x"), (r"\operatorname{lcm}(4,x)", r"\text{lcm}(4,x)"),
            (r"\lg x", r"\log_{10} x"), ("lg x", r"\log_{10} x"), (r"\operatorname{lg}(x+1)", r"\log_{10}(x+1)"), (r"5\text{ min}", "5 minutes"),
            (r"5\,\mathrm{sec}", "5"), (r"\sqrt{lg}", r"\sqrt{gl}"), (r"\text{max}", "max"),
            ("C_n^k", r"\binom{n}{k}"), (r"\mathrm{C}_{n}^{k}", r"\binom{n}{k}"), ("C^k_n", r"\binom{n}{k}"), (r"2^n C_{10}^3", r"2^n\binom{10}{3}"),
            (r"\binom{n}{2}", "C_n^2"), ("10", "C_5^2"), ("C_1^2 x", "xC_1^2"),
        ],
        [
            (r"\operatorname{tg} x", r"\cot x"), (r"\operatorname{tg} 15^\circ", r"2-\sqrt3"), (r"\lg x", r"\ln x"), (r"\lg x", r"\log x"), (r"\lg 100", "2"),
            ("C_k^n", r"\binom{n}{k}"), ("C_5^2", "10"), ("0", "C_1^2"), ("1", "C_2^2"), ("C_1^2", "0"), (r"A_n^k", r"\binom{n}{k}"),
        ],
    ),
    (
        "index sets",
        "whole numbers and natural numbers count different families",
        [
            (r"2n\pi, n \in \mathbb{Z}", r"2k\pi, k \in \mathbb{Z}"), (r"2n\pi, n \in \mathbb{N}", r"2k\pi, k \in \mathbb{N}"),
            (r"2k\pi \text{ where } k \text{ is an integer}", r"2k\pi, k \in \mathbb{Z}"), (r"2k\pi", r"2k\pi, k \in \mathbb{Z}"),
        ],
        [
            (r"2k\pi, k \in \mathbb{N}", r"2k\pi, k \in \mathbb{Z}"), (r"2k\pi, k \in \mathbb{Z}", r"2k\pi, k \in \mathbb{N}"),
            (r"2n+1, n \in \mathbb{N}", r"2k+1, k \in \mathbb{Z}"), (r"\pm\frac{\pi}{3}+2k\pi, k \in N", r"\pm\frac{\pi}{3}+2k\pi, k \in Z"),
        ],
    ),
]  # fmt: skip
