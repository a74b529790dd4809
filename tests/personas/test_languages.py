"""Languages of texts that nobody has stated."""

import tomllib
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from babel import Locale, UnknownLocaleError

import populace.core
from populace.core.prompt import find_language
from populace.personas.rules.languages import detect_languages, is_in_language, is_known_language

#: Written for this test, before any detector was asked.
WRITTEN = """
en A retired fisherman who mends nets and tells stories to tourists in a harbour town.
en A pediatric nurse working night shifts at a rural hospital.
en Computer science student interested in distributed systems
en A single mother of three who runs a bakery in Ohio and volunteers at her church.
en Beekeeper, aged 61, worried about pesticides.
en An ambitious violinist preparing for an international competition.
de Eine pensionierte Lehrerin aus Leipzig, die ehrenamtlich Flüchtlingskindern Deutsch beibringt.
de Ein Bäcker, der um drei Uhr morgens aufsteht und am liebsten Roggenbrot backt.
de Informatikstudent im vierten Semester, interessiert sich für Kryptographie.
de Eine Imkerin mit zwölf Völkern am Rand von Freiburg.
de Krankenpfleger auf der Intensivstation eines Kreiskrankenhauses.
fr Une boulangère de Lyon qui se lève à trois heures du matin et rêve d'ouvrir une école.
fr Un pêcheur breton à la retraite qui répare des filets pour ses voisins.
fr Étudiante en droit passionnée par l'environnement.
fr Infirmier de nuit dans un hôpital de campagne, père de deux enfants.
es Una maestra jubilada de Sevilla que enseña a leer a los niños del barrio.
es Pescador de Vigo que colecciona mapas antiguos.
es Estudiante de medicina interesado en la salud pública.
es Un panadero que trabaja de noche y toca la guitarra los domingos.
it Una panettiera di Bologna che si alza alle tre del mattino.
it Pescatore in pensione che racconta storie ai turisti.
it Studente di ingegneria appassionato di robotica e di montagna.
it Infermiera in un ospedale di provincia, madre di due figli.
pt Uma professora reformada de Coimbra que dá aulas de leitura às crianças do bairro.
pt Pescador aposentado que conserta redes e conta histórias aos turistas.
pt Estudante de engenharia apaixonado por robótica.
pt Enfermeira de um hospital do interior que cuida de dois filhos.
nl Een gepensioneerde lerares uit Utrecht die vluchtelingen Nederlands leert.
nl Bakker die om drie uur 's nachts opstaat en het liefst roggebrood bakt.
nl Student informatica met belangstelling voor cryptografie.
nl Verpleegkundige op de intensive care van een streekziekenhuis.
sv En pensionerad lärare från Uppsala som undervisar nyanlända barn i svenska.
sv Bagare som stiger upp klockan tre och helst bakar rågbröd.
sv Sjuksköterska på ett litet sjukhus i Norrland.
da En pensioneret lærer fra Aarhus, der underviser flygtningebørn i dansk.
da Fisker fra Skagen, som fortæller historier til turisterne.
pl Emerytowana nauczycielka z Krakowa, która uczy dzieci czytać.
pl Piekarz, który wstaje o trzeciej rano i najchętniej piecze chleb żytni.
pl Student informatyki zainteresowany kryptografią.
tr Emekli bir öğretmen, mahallenin çocuklarına okuma yazma öğretiyor.
tr Gece vardiyasında çalışan bir hemşire, iki çocuk annesi.
ru Учительница на пенсии из Казани, которая учит детей читать.
ru Пекарь, который встаёт в три часа ночи и любит ржаной хлеб.
uk Вчителька на пенсії з Харкова, яка навчає дітей читати.
uk Пекар, який встає о третій ранку й любить житній хліб.
bg Пенсионирана учителка от Пловдив, която учи децата да четат.
el Μια συνταξιούχος δασκάλα από τη Θεσσαλονίκη που μαθαίνει στα παιδιά να διαβάζουν.
ar معلمة متقاعدة من القاهرة تعلم أطفال الحي القراءة.
fa یک معلم بازنشسته از شیراز که به کودکان خواندن یاد می‌دهد.
he מורה בגמלאות מחיפה שמלמדת ילדים לקרוא.
hi जयपुर की एक सेवानिवृत्त शिक्षिका जो बच्चों को पढ़ना सिखाती है।
zh 一位退休的教师，住在成都，教邻居的孩子读书。
zh 热爱古典音乐的软件工程师。
ja 京都に住む退職した教師で、近所の子どもたちに読み書きを教えている。
ja 夜勤の看護師で、二人の子どもの母親。
ko 부산에 사는 은퇴한 교사로 아이들에게 글을 가르친다.
th ครูเกษียณอายุจากเชียงใหม่ที่สอนเด็ก ๆ อ่านหนังสือ
vi Một giáo viên về hưu ở Huế dạy trẻ em trong xóm đọc sách.
id Seorang guru pensiunan dari Bandung yang mengajar anak-anak membaca.
sw Mwalimu mstaafu kutoka Mombasa ambaye anafundisha watoto kusoma.
fi Eläkkeellä oleva opettaja Tampereelta, joka opettaa lapsia lukemaan.
cs Učitelka v důchodu z Brna, která učí děti číst.
hu Nyugdíjas tanítónő Szegedről, aki gyerekeket tanít olvasni.
ro O profesoară pensionată din Cluj care îi învață pe copii să citească.
"""


def detected(*texts: str) -> list[str]:
    return detect_languages(texts)


def test_of_64_short_descriptions_in_30_languages_no_language_is_wrong_and_few_are_open() -> None:
    tags, _, texts = zip(*(line.partition(" ") for line in WRITTEN.strip().splitlines()), strict=True)
    found = detected(*texts)
    assert (len(tags), len(set(tags))) == (64, 30)
    assert all(now in (tag, "und") for now, tag in zip(found, tags, strict=True))
    assert found.count("und") <= 4


@pytest.mark.parametrize(
    "text", ["12345", "Nurse, 34", "Ada", "看護師", "!?", "A chef", "Mr Ion Popescu", "\U0001f600"]
)
def test_what_is_uncertain_stays_open(text: str) -> None:
    assert detected(text) == ["und"]


def test_english_words_in_another_language_do_not_make_it_english() -> None:
    german = "Der Autor von 'The Man Who Fell from the Sky', der in Köln lebt und nicht mehr schreibt."
    assert detected(german) == ["de"]


def test_no_texts_have_no_languages() -> None:
    assert detected() == []


def labelled(half: str, kind: str) -> Iterator[tuple[str, str]]:
    """The texts of a half with their language: single sentences (`short`), or three at once (`long`)."""
    for line in (Path(__file__).parent / "rules/lines/languages.txt").read_text("utf-8").splitlines():
        if not line.startswith("#"):
            tag, part, *sentences = line.split(" | ")
            for text in (sentences if kind == "short" else [" ".join(sentences)]) if part == half else ():
                yield tag, text


@pytest.mark.parametrize(
    ("half", "kind", "own", "others"),
    [
        ("tune", "short", {True: 125, None: 25}, {False: 2993, None: 607}),
        ("held", "short", {True: 139, None: 11}, {False: 3354, None: 246}),
        ("tune", "long", {True: 50}, {False: 1200}),
        ("held", "long", {True: 50}, {False: 1200}),
    ],
)
def test_no_text_in_the_language_asked_for_is_rejected_and_nearly_all_others_are(
    half: str, kind: str, own: dict[bool | None, int], others: dict[bool | None, int]
) -> None:
    texts = [*labelled(half, kind)]
    tags = sorted({tag for tag, _ in texts})
    assert len(tags) == 25
    assert Counter(is_in_language(text, tag) for tag, text in texts) == own
    assert Counter(is_in_language(text, other) for tag, text in texts for other in tags if other != tag) == others


def test_of_a_language_that_is_not_known_it_is_told_that_english_is_another() -> None:
    text = "I water the tomatoes every evening, but the leaves still curl in the heat."
    assert not is_known_language("mi")
    assert is_in_language(text, "mi") is False
    assert is_in_language("Me pēhea taku tiaki i aku tōmato kia kore e maroke i te mahau wera?", "mi") is None


@pytest.mark.parametrize("text", ["", "Ada", "42 + 17 = 59", "Mr Ion Popescu", "$\\frac{alpha beta gamma delta}{x}$"])
def test_what_is_too_short_to_tell_is_neither_right_nor_wrong(text: str) -> None:
    assert is_in_language(text, "de") is None


def test_code_and_formulas_in_a_text_do_not_make_it_english() -> None:
    code = "def total(values):\n    return sum(value for value in values if value > 0)\n"
    text = f"Erkläre, was diese Funktion zurückgibt und warum.\n```python\n{code * 5}```"
    assert is_in_language(text, "de") is True
    assert is_in_language(text, "en") is False


def test_names_of_languages_are_those_of_the_cldr_and_all_of_them_are_understood() -> None:
    (folder,) = populace.core.__path__
    names = tomllib.loads((Path(folder) / "language_names.toml").read_text("utf-8"))
    english = {tag.replace("_", "-"): name for tag, name in Locale("en").languages.items()}
    assert {tag: known[0] for tag, known in names.items() if tag != "zh-TW"} == {
        tag: english[tag] for tag in names if tag != "zh-TW"
    }
    own = {}
    for tag in names:
        try:
            locale = Locale.parse(tag, sep="-")
        except UnknownLocaleError:
            continue
        own[tag] = {code.lower(): name for code, name in locale.languages.items()}.get(tag.lower().replace("-", "_"))
    assert all(name in names[tag] for tag, name in own.items() if name)
    twice = [one for one, other in pairwise(sorted(name for known in names.values() for name in known)) if one == other]
    assert twice == ["Traditional Chinese"]
    assert all(find_language(name) == tag for tag, known in names.items() for name in known if name not in twice)
