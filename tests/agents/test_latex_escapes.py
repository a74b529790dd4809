r"""Which backslashes in the JSON that models write are literal. Each case is what a model wrote between the quotes."""

import json

import pytest

from populace.agents.gateway.json_answer import escape_literal_backslashes
from populace.agents.gateway.request import judge
from populace.core.model import AnswerSchema, Outcome

TEXT = AnswerSchema("text", {"type": "object"}, lambda answer: answer["text"] if isinstance(answer, dict) else "")

#: What a model wrote, and the text it meant: LaTeX whose backslashes were not escaped, or not all of them.
LATEX = [
    (r"What is $\frac{1}{2}$?", r"What is $\frac{1}{2}$?"),
    (r"\frac{3}{4}", r"\frac{3}{4}"),
    (r"$\frac12 + \frac13$", r"$\frac12 + \frac13$"),
    (r"the angle $\theta$ and \beta", r"the angle $\theta$ and \beta"),
    (r"\theta = 30^\circ", r"\theta = 30^\circ"),
    (r"3 \times 4", r"3 \times 4"),
    (r"3\times4", r"3\times4"),
    (r"$a \neq b$", r"$a \neq b$"),
    (r"x \neq 0", r"x \neq 0"),
    (r"\nabla f = 0", r"\nabla f = 0"),
    (r"x \notin A", r"x \notin A"),
    (r"$\rho = m / V$", r"$\rho = m / V$"),
    (r"\left( x \right)", r"\left( x \right)"),
    (r"\langle u, v \rangle", r"\langle u, v \rangle"),
    (r"\lfloor x \rfloor", r"\lfloor x \rfloor"),
    (r"\lceil x \rceil", r"\lceil x \rceil"),
    (r"A \rightarrow B", r"A \rightarrow B"),
    (r"\begin{pmatrix} 1 & 2 \end{pmatrix}", r"\begin{pmatrix} 1 & 2 \end{pmatrix}"),
    (r"\bar{x}", r"\bar{x}"),
    (r"\binom{n}{k}", r"\binom{n}{k}"),
    (r"\boxed{42}", r"\boxed{42}"),
    (r"so the answer is \boxed{\frac{1}{3}}.", r"so the answer is \boxed{\frac{1}{3}}."),
    (r"7 \equiv 1 \bmod 3", r"7 \equiv 1 \bmod 3"),
    (r"\big( a \bigr)", r"\big( a \bigr)"),
    (r"\boldsymbol{v}", r"\boldsymbol{v}"),
    (r"\bm{v}", r"\bm{v}"),
    (r"\underline{word}", r"\underline{word}"),
    (r"\underbrace{a + b}_{c}", r"\underbrace{a + b}_{c}"),
    (r"x \uparrow", r"x \uparrow"),
    (r"\text{even}", r"\text{even}"),
    (r"5\text{ cm}", r"5\text{ cm}"),
    (r"\textbf{Note}", r"\textbf{Note}"),
    (r"\tfrac{1}{2}", r"\tfrac{1}{2}"),
    (r"\triangle ABC", r"\triangle ABC"),
    (r"\therefore x = 2", r"\therefore x = 2"),
    (r"\tilde{x}", r"\tilde{x}"),
    (r"\forall x", r"\forall x"),
    (r"$\tan x$", r"$\tan x$"),
    (r"$\tan(45^\circ)$", r"$\tan(45^\circ)$"),
    (r"y = \tan x", r"y = \tan x"),
    (r"\tan\theta", r"\tan\theta"),
    (r"\tan \theta = \sqrt{3}", r"\tan \theta = \sqrt{3}"),
    (r"$\tau = 2\pi$", r"$\tau = 2\pi$"),
    (r"\tau", r"\tau"),
    (r"\tau = RC, \quad \omega = 1", r"\tau = RC, \quad \omega = 1"),
    (r"$x \to 0$", r"$x \to 0$"),
    (r"\lim_{x \to 0} \frac{\sin x}{x}", r"\lim_{x \to 0} \frac{\sin x}{x}"),
    (r"\lim_{x\to\infty} f(x)", r"\lim_{x\to\infty} f(x)"),
    (r"$\nu = c/\lambda$", r"$\nu = c/\lambda$"),
    (r"\nu_{max}", r"\nu_{max}"),
    (r"the frequency is $\nu$.", r"the frequency is $\nu$."),
    (r"$a \ne b$", r"$a \ne b$"),
    (r"x \ne 0", r"x \ne 0"),
    (r"\(a \ne b\)", r"\(a \ne b\)"),
    (r"$\neg p$", r"$\neg p$"),
    (r"$3 \nmid 10$", r"$3 \nmid 10$"),
    (r"5 \nmid 12", r"5 \nmid 12"),
    (r"$A \ni x$", r"$A \ni x$"),
    (r"\[ \nu + \tau \]", r"\[ \nu + \tau \]"),
    (r"\sqrt{2} \cdot \pi", r"\sqrt{2} \cdot \pi"),
    (r"\alpha + \beta + \gamma", r"\alpha + \beta + \gamma"),
    (r"50\% of \$20", r"50\% of \$20"),
    (r"$1{,}000\,000$", r"$1{,}000\,000$"),
    (r"\{1, 2, 3\}", r"\{1, 2, 3\}"),
    # Escaped in one place, and not in another.
    (r"\\frac{1}{2} and \frac{1}{3}", r"\frac{1}{2} and \frac{1}{3}"),
    (r"$\\frac{1}{2} \times 4$", r"$\frac{1}{2} \times 4$"),
    (r"\\begin{cases} x \neq 0 \\\\ y = \theta \\end{cases}", r"\begin{cases} x \neq 0 \\ y = \theta \end{cases}"),
    (r"\\alpha \rightarrow \\beta", r"\alpha \rightarrow \beta"),
    # With true line breaks beside it.
    (r"Let $x = \frac{1}{2}$.\nNow find $\theta$.", "Let $x = \\frac{1}{2}$.\nNow find $\\theta$."),
    (r"Step 1: $\frac{1}{2}$\nuse it.", "Step 1: $\\frac{1}{2}$\nuse it."),
    (r"$$\nabla \cdot E = \rho$$\nnext", "$$\\nabla \\cdot E = \\rho$$\nnext"),
    (r"1. \theta\n2. \rho\n\tindented", "1. \\theta\n2. \\rho\n\tindented"),
    # Chinese prose.
    (r"求 $\frac{1}{2}$ 的值。\n解：$\theta = 30$", "求 $\\frac{1}{2}$ 的值。\n解：$\\theta = 30$"),
    (r"已知\triangle ABC，\n求\beta。", "已知\\triangle ABC，\n求\\beta。"),
    # Backslashes of regular expressions, shells and paths that begin no escape.
    (r"re.findall('\d+', s)", r"re.findall('\d+', s)"),
    (r"re.findall('\d+\b', s)", r"re.findall('\d+\b', s)"),
    (r"C:\Users\new\table", r"C:\Users\new\table"),
    (r"D:\data\raw\file.txt", r"D:\data\raw\file.txt"),
    (r"C:\temp\notes", r"C:\temp\notes"),
    (r"C:\new\report", r"C:\new\report"),
    (r"save it in D:\backup\files\table.txt now", r"save it in D:\backup\files\table.txt now"),
    (r"copy C:\new\x1\nx.dat", r"copy C:\new\x1\nx.dat"),
    (r"\s*\w+", r"\s*\w+"),
    (r"price: \$5", r"price: \$5"),
]

#: What a model wrote with escapes that are meant as such, and the text.
ESCAPES = [
    (r"line one\nabout", "line one\nabout"),
    (r"\tif x:\n\treturn", "\tif x:\n\treturn"),
    (r"C:\\new\\table", r"C:\new\table"),
    (r"C:\\temp", r"C:\temp"),
    (r"Answer C:\nVery well.", "Answer C:\nVery well."),
    (r"A:\nfirst\nB:\nsecond", "A:\nfirst\nB:\nsecond"),
    (r"A:\nit is so", "A:\nit is so"),
    (r"B:\tOrly\nC:\nOra", "B:\tOrly\nC:\nOra"),
    (r"A:\tone\nB:\tno", "A:\tone\nB:\tno"),
    (r"if x:\n\treturn y", "if x:\n\treturn y"),
    (r"D:\n\nTry again", "D:\n\nTry again"),
    (r"ok\nsucc = 1\nprec = 2", "ok\nsucc = 1\nprec = 2"),
    (r"C:\\Users\\tan\\beta", r"C:\Users\tan\beta"),
    (r"\nNow", "\nNow"),
    (r"\ntext", "\ntext"),
    (r"\nextend", "\nextend"),
    (r"\next step", "\next step"),
    (r"\note this", "\note this"),
    (r"a\nb\nc", "a\nb\nc"),
    (r"Ends here.\n\nNew paragraph", "Ends here.\n\nNew paragraph"),
    (r"r\u00e9sum\u00e9", "résumé"),
    (r"\u0041BC", "ABC"),
    (r"\u4f60\u597d\n\u4e16\u754c", "你好\n世界"),
    (r"你好\n世界", "你好\n世界"),
    (r"第一行\n\t第二行", "第一行\n\t第二行"),
    (r"one\r\ntwo\r\n", "one\r\ntwo\r\n"),
    (r"\\frac{1}{2}", r"\frac{1}{2}"),
    (r"$\\theta \\neq \\beta$", r"$\theta \neq \beta$"),
    (r"\\\\", "\\\\"),
    (r"She said \"no\"", 'She said "no"'),
    (r"http:\/\/example.org", "http://example.org"),
    (r"for i in x:\n\tprint(i)\n\ttotal += i", "for i in x:\n\tprint(i)\n\ttotal += i"),
    (r"x = 1\nu = 2\nmid = 3", "x = 1\nu = 2\nmid = 3"),
    (r"a = 1\ne = 2.718", "a = 1\ne = 2.718"),
    (r"lo = 0\nmid = (lo + hi) // 2", "lo = 0\nmid = (lo + hi) // 2"),
    (r"if ok:\n\to = 1\n\tan = 2", "if ok:\n\to = 1\n\tan = 2"),
    (r"Fine.\nu r late", "Fine.\nu r late"),
    (r"Basta.\ne poi", "Basta.\ne poi"),
    (r"name\tage\nAnn\t40", "name\tage\nAnn\t40"),
    (r"word\tan\tarticle", "word\tan\tarticle"),
    (r"print(\"a\\n\")", 'print("a\\n")'),
    (r"re.sub(r\"\\bword\\b\", \"\")", 're.sub(r"\\bword\\b", "")'),
    (r"see\neq. (3)", "see\neq. (3)"),
    (r"x = 2\neq = x == 2", "x = 2\neq = x == 2"),
    (r"$5 and\nu got $10", "$5 and\nu got $10"),
    (r"echo $HOME\necho $PATH", "echo $HOME\necho $PATH"),
    (r"$$\na + b\n$$", "$$\na + b\n$$"),
    (r"$$\nu = \\frac{1}{2}$$", "$$\nu = \\frac{1}{2}$$"),
    (r"\\begin{aligned}\ni &= 1 \\\\\nu &= 2\n\\end{aligned}", "\\begin{aligned}\ni &= 1 \\\\\nu &= 2\n\\end{aligned}"),
    (r"- one\n- two\n  - three", "- one\n- two\n  - three"),
    (r"Zeile\nüber", "Zeile\nüber"),
]


@pytest.mark.parametrize(("written", "meant"), LATEX)
def test_backslashes_that_were_not_escaped_are_literal(written: str, meant: str) -> None:
    verdict = judge(f'{{"text": "{written}"}}', TEXT)
    assert verdict.value == meant
    assert verdict.repair


@pytest.mark.parametrize(("written", "meant"), ESCAPES)
def test_escapes_that_are_meant_stay_escapes(written: str, meant: str) -> None:
    verdict = judge(f'{{"text": "{written}"}}', TEXT)
    assert verdict.value == meant
    assert verdict.repair == ""


@pytest.mark.parametrize("meant", [meant for _, meant in LATEX + ESCAPES if "\n" not in meant and "\t" not in meant])
def test_what_is_escaped_properly_stays_as_it_is(meant: str) -> None:
    assert judge(json.dumps({"text": meant}), TEXT).value == meant


#: Commands of KaTeX that read as an escape and letters that are no word.
KATEX = r"""
\backepsilon \bcancel \bigm \blacktriangleleft \fallingdotseq \frak \frenchspacing \natnums \ncong \negthinspace
\ngeqslant \nLeftrightarrow \nleqq \nobreakspace \notni \nshortmid \nsubseteqq \ntrianglelefteq \nVDash \nVdash \nvdash
\rarr \rbrack \reals \relax \rightthreetimes \risingdotseq \root \rq \textasciitilde \textless \thickspace
\twoheadleftarrow \ulcorner \upuparrows
"""


@pytest.mark.parametrize("command", KATEX.split())
def test_a_command_alone_in_prose_is_no_escape(command: str) -> None:
    text = f"Write {command} here."
    assert judge(f'{{"text": "{text}"}}', TEXT).value == text


@pytest.mark.parametrize(
    ("written", "named"),
    [
        (r"page one\fpage two", "U+000C (form feed)"),
        (r"back\bspace", "U+0008 (backspace)"),
        (r"red \u001b[31m", "U+001B (escape)"),
        (r"nothing \u0000", "U+0000 (null)"),
        (r"\u007f", "U+007F (delete)"),
        (r"a\u000bb", "U+000B (vertical tab)"),
    ],
)
def test_control_characters_are_an_outcome_that_names_them(written: str, named: str) -> None:
    verdict = judge(f'{{"text": "{written}"}}', TEXT)
    assert verdict.outcome is Outcome.CONTROL_CHARACTERS
    assert named in verdict.reason
    assert named in verdict.complaint


def test_the_repair_names_each_command_once() -> None:
    verdict = judge(r'{"text": "\frac{1}{2} + \frac{1}{3} = \theta"}', TEXT)
    assert verdict.repair == r"backslashes not escaped: \frac \theta"


def test_a_repair_in_prose_around_the_object_looks_at_the_object_alone() -> None:
    assert judge('He said "\\frac: {"text": "\\\\frac and \\theta"}', TEXT).value == "\\frac and \\theta"


@pytest.mark.parametrize(
    "text", ["\\(" * 50_000, "$\\nu" * 30_000, "\\begin{a}" * 20_000, "C:\\a" * 40_000, "C:\\new " * 40_000]
)
def test_hostile_backslashes_are_repaired_in_one_pass(text: str) -> None:
    repaired, _ = escape_literal_backslashes(f'"{text}"')
    assert len(repaired) <= 2 * len(text) + 2
