"""Damage: broken texts are found and clean ones in several languages are not; identifiers are counted by kind."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mhclf.data.audit.damage import encoding_damage, possible_identifiers
from mhclf.data.repair import mask_identifiers, repair_encoding

KINDS = ("e-mail address", "user name", "handle", "web address", "phone number")

CLEAN = [
    "“It’s fine” — she said… ‘ok’ – 20 °C, ½ cup, €5, £3, §4, ™",
    "C’est l’été à la forêt, ça va où ? « Déjà » une œuvre naïve, un mât, le dégât, la pâte",
    "Grüße aus Köln, ß und Ä Ö Ü; ångström, smörgåsbord, ÅRET",
    "¡Hola! ¿Qué tal, señor? São Paulo, não, coração, NÃO",
    "Zażółć gęślą jaźń; İstanbul ğ ş; Привет, как дела?",
    "我很难过，不知道怎么办。“好”……",
    "😀👍🏽 ❤️ 🤷\u200d♀️ 🇨🇦 ¯\\_(ツ)_/¯ ʕ•ᴥ•ʔ (╯°□°）╯︵ ┻━┻",
    "really???no way!!! what??? who??",
    "__init__ snake_case snake__case ___ fill in the ____ here",
    "",
]

BROKEN = [
    "don\ufffdt",
    "it\x92s",
    "half \ud83d a pair",
    "donâ€™t",
    "I‚Äôm 我",
    "donÔø‰t",
    "caf√© 我",
    "donÕt",
    "donÛªt",
    "itâs mine",
    "don____t",
    "don???t",
    "I??m",
    "they??re",
    "ä½ å¥½",
]


@pytest.mark.parametrize("text", CLEAN)
def test_clean_texts(text):
    assert encoding_damage([text, repair_encoding(text)]) == ()


@pytest.mark.parametrize("text", BROKEN)
def test_broken_texts(text):
    assert encoding_damage(["fine", text, "fine"]) == (1,)


@pytest.mark.parametrize("text", ["it\x92s", "donâ€™t", "don‚Äôt", "cafÃ©", "ÃƒÂ©"])
def test_what_repair_mends_does_not_count(text):
    assert encoding_damage([text]) == (0,)
    assert encoding_damage([repair_encoding(text)]) == ()


@given(st.text(st.characters(max_codepoint=126, exclude_characters="_?")))
def test_plain_english_is_never_broken(text):
    assert encoding_damage([text]) == ()


def counted(*texts):
    counts = possible_identifiers(texts)
    assert tuple(counts) == KINDS
    return {kind: count for kind, count in counts.items() if count}


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("write to a.b@example.org", "e-mail address"),
        ("ask u/some_body", "user name"),
        ("thanks @somebody", "handle"),
        ("see https://example.org/a?b=c", "web address"),
        ("看https://example.org", "web address"),
        ("WWW.Example.org", "web address"),
        ("reddit.com/r/sad", "web address"),
        ("youtu.be/abc", "web address"),
        ("+49 171 1234567", "phone number"),
        ("+1 (555) 234-5678", "phone number"),
        ("+15552345678", "phone number"),
        ("0044 20 7946 0958", "phone number"),
        ("Call 1-800-273-8255.", "phone number"),
        ("1 (800) 273-8255", "phone number"),
        ("(555) 234-5678", "phone number"),
        ("555-234-5678", "phone number"),
        ("555.234.5678", "phone number"),
        ("5552345678", "phone number"),
        ("07700 900123", "phone number"),
        ("020 7946 0958", "phone number"),
        ("电话13812345678呢", "phone number"),
        ("138 1234 5678", "phone number"),
    ],
)
def test_what_counts(text, kind):
    assert counted(text, f"{text} and {text}", "nothing") == {kind: 2}


@pytest.mark.parametrize(
    "text",
    [
        "[email] u/user @user",
        "2020-10-10 10:10:10",
        "10/10/2020, 1/2/2003 4:50, 2019.10.10",
        "1999 2000 2001 and 2015 2016 2017",
        "$1,234,567.89 or $2345678901 or 100,000,000",
        "10:30-11:45 from 2010-2015",
        "100 200 3000 or 50-100-200 or 345-2345",
        "3.14159265358979 and 0.00012345678",
        "1602345678 1602345678123 12345678901234567890",
        "+1000 karma, 85%, 18+",
        "e.g. this/that and/or etc.../x a.k.a./x this.so/that",
        "<url> [url] reddit.com is a site. http:// www.",
    ],
)
def test_what_does_not_count(text):
    assert counted(text) == {}


def test_each_kind_counts_once_a_text_and_every_kind_is_named():
    text = "@somebody @another u/some_body a@b.org c@d.org http://x.org +49 171 1234567"
    assert counted(text, text, "@third") == dict(zip(KINDS, (2, 2, 3, 2, 2), strict=True))
    assert possible_identifiers([]) == dict.fromkeys(KINDS, 0)


@given(st.lists(st.text("ab@u/.x -_1", max_size=20), max_size=6))
def test_masked_texts_hold_none_of_the_first_three(texts):
    counts = possible_identifiers([mask_identifiers(text)[0] for text in texts])
    assert [counts[kind] for kind in KINDS[:3]] == [0, 0, 0]
    before = possible_identifiers(texts)
    changed = sum(mask_identifiers(text)[0] != text for text in texts)
    assert max(before[kind] for kind in KINDS[:3]) <= changed <= sum(before[kind] for kind in KINDS[:3])
