"""Names in scripts other than Latin, found in texts and by the column of names."""

import json

import pytest

from populace.personas.rules import find_personal, personal_changes
from populace.personas.rules.columns import ColumnKind
from populace.personas.rules.personal import Pseudonyms

KINDS = {"name": ColumnKind.NAME, "story": ColumnKind.TEXT}


@pytest.mark.parametrize(
    ("name", "story", "kept"),
    [
        ("राजेश कुमार शर्मा", "राजेश कुमार शर्मा दुकान चलाते हैं।", " दुकान चलाते हैं।"),
        ("山田太郎", "太郎は毎朝走る。", "は毎朝走る。"),
        ("王秀英", "秀英在成都。", "在成都。"),
        ("김영수", "영수의 아내는 간호사다.", "의 아내는 간호사다."),
        ("สมชาย ใจดี", "สมชายขายผัก", "ขายผัก"),
        ("Matti Virtanen", "Matin vaimo opettaa.", " vaimo opettaa."),
    ],
)
def test_forms_of_the_name_column_are_replaced_and_nothing_else(name: str, story: str, kept: str) -> None:
    row = json.dumps({"name": name, "story": story}, ensure_ascii=False)
    now = json.loads(personal_changes(row, KINDS, Pseudonyms())[0])
    pseudonym = now["story"].removesuffix(kept)
    assert now["story"].endswith(kept)
    assert pseudonym in (now["name"], now["name"].split()[0])


@pytest.mark.parametrize(
    "text",
    [
        "高中毕业后，白天在工厂上班，晚上学习。", "石川県の小さな町で、山口県出身の妻と暮らす。",
        "김치를 담그고 한강에서 자전거를 탄다.", "सुबह पूजा करती है और काम पर जाती है।",
        "يحب القهوة ويعمل في شركة كبيرة.", "Εργάζεται κάθε Κυριακή στην οδό Αθηνάς.", "Живёт на улице Ленина.",
    ],
)  # fmt: skip
def test_ordinary_words_in_other_scripts_are_no_names(text: str) -> None:
    assert find_personal(text) == ()
