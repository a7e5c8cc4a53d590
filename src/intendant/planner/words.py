"""Words of a sentence and of names, made comparable: lower case, split names, singular, abbreviations spelled out."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from pathlib import Path

__all__ = [
    "ABSENCE",
    "ABBREVIATIONS",
    "COMMANDS",
    "STOP",
    "Word",
    "english",
    "name_parts",
    "plain",
    "split_name",
    "stem",
    "words_of",
]

ENGLISH, PLAIN = Path(__file__).with_name("english.txt"), Path(__file__).with_name("plain.txt")
WORD = re.compile(
    r"[^\W\d_]{1,5}-\d[\w-]*"  # codes: CL-20931
    r"|[^\W\d_]+(?:'[a-z]{1,2}\b)?(?![\w])"  # a plain word, don't and customer's among them
    r"|\w+(?:[.\-]\w+)*"  # identifiers: customer_id, sales_api.orders, wo-17
    r"|[<>!=]=|[^\w\s]"
)
CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
PART = re.compile(r"[^\W\d_]+|\d+")

ABBREVIATIONS = {
    "qty": "quantity",
    "qnt": "quantity",
    "clk": "click",
    "strm": "stream",
    "itm": "item",
    "unt": "unit",
    "prc": "price",
    "purch": "purchase",
    "eml": "email",
    "dur": "duration",
    "sess": "session",
    "kw": "keyword",
    "tgt": "target",
    "typ": "type",
    "ver": "version",
    "err": "error",
    "stk": "stock",
    "pymt": "payment",
    "rcpt": "receipt",
    "mtr": "meter",
    "meas": "measurement",
    "usg": "usage",
    "mfr": "manufacturer",
    "req": "request",
    "resp": "response",
    "tmp": "temperature",
    "cust": "customer",
    "amt": "amount",
    "ts": "timestamp",
    "temp": "temperature",
    "num": "number",
    "no": "number",
    "nr": "number",
    "addr": "address",
    "prod": "product",
    "desc": "description",
    "dt": "date",
    "cat": "category",
    "acct": "account",
    "acc": "account",
    "txn": "transaction",
    "trx": "transaction",
    "tx": "transaction",
    "emp": "employee",
    "dept": "department",
    "mgr": "manager",
    "cnt": "count",
    "pct": "percent",
    "perc": "percent",
    "msg": "message",
    "usr": "user",
    "org": "organization",
    "loc": "location",
    "lat": "latitude",
    "lon": "longitude",
    "lng": "longitude",
    "id": "id",
    "ident": "id",
    "nm": "name",
    "cd": "code",
    "mach": "machine",
    "upd": "updated",
    "inst": "installed",
    "sev": "severity",
    "pwr": "power",
    "op": "operator",
    "vol": "volume",
    "wt": "weight",
    "dob": "birth",
    "inv": "invoice",
    "pmt": "payment",
    "po": "order",
    "ref": "reference",
    "curr": "currency",
    "ccy": "currency",
    "val": "value",
    "tel": "phone",
    "mobile": "phone",
    "info": "information",
    "mins": "minutes",
    "min": "minutes",
    "secs": "seconds",
    "hrs": "hours",
    "yr": "year",
    "mth": "month",
    "wk": "week",
    "avg": "average",
    "ctry": "country",
    "cntry": "country",
    "reg": "region",
    "stat": "status",
    "sku": "sku",
    "wh": "warehouse",
    "del": "delivery",
    "deliv": "delivery",
    "ord": "order",
    "sup": "supplier",
    "supp": "supplier",
    "vend": "vendor",
    "veh": "vehicle",
    "drv": "driver",
    "pat": "patient",
    "appt": "appointment",
    "doc": "document",
    "cls": "class",
    "evt": "event",
    "dev": "device",
    "hum": "humidity",
    "batt": "battery",
    "bat": "battery",
    "src": "source",
    "dest": "destination",
    "std": "student",
    "stud": "student",
    "lvl": "level",
    "max": "maximum",
    "maint": "maintenance",
    "calc": "calculated",
    "freq": "frequency",
    "mem": "member",
    "pos": "position",
    "sal": "salary",
    "bal": "balance",
    "rev": "revenue",
    "pwd": "password",
    "cmt": "comment",
    "grp": "group",
    "fname": "first_name",
    "lname": "last_name",
}
"""Short forms in names and in sentences."""

STOP = frozenset(
    """a an the of to in on for with and or then but so it its them they their this that these those is are was were
    be been being do does did done have has had having i we you he she my our your me us please can could would should will
    shall may might must need needs want wants like let lets just only also too very as by from into at if when while than
    there here what which who how why where all any some each every per no not nor same other another more less most least
    up down out over under after before between within without about because since until again once hi hello hey thanks
    thank pls thx ok now new get got give gives make makes take put keep go""".split()
)
"""Words that never stand for a name by themselves."""

ABSENCE = frozenset("missing empty null blank absent lacking".split())
"""Words that say that there is no value; never a value themselves, unless quoted."""

COMMANDS = frozenset(
    """order sort count check filter first last name date time state total average sum group rank top bottom
    value values row rows column columns field fields table tables data record records number list show find query queries
    source sources type types key keys update updated change changes run runs load loads store level rate set sets start end
    year month day week hour minute second amount status report version view views max min latest oldest newest old
    staging stage schedule refresh test tests limit file files use used copy class code line lines item items unit units
    message messages event events log logs entry entries result results process request requests job jobs part parts
    note notes issue issues case cases note join merge drop split trim fill clean check checks plan plans event
    deliver delivery export archive restore retain quarantine review person team column place names ids""".split()
)
"""Words of commands: as a name they stay visible to the model beside their candidate."""


@dataclass(frozen=True)
class Word:
    """A word or sign of the sentence; `norm` is its stem, `at`..`end` its place."""

    text: str
    at: int
    end: int

    @property
    def lower(self) -> str:
        return self.text.lower()

    @property
    def norm(self) -> str:
        return stem(self.lower)

    @property
    def is_name(self) -> bool:
        """Whether it can only be an identifier: it holds an underscore, an inner dot, digits or camel case."""
        return bool(re.search(r"[_\d]|\w\.\w|[a-z][A-Z]", self.text)) and not self.text.isdigit()


@functools.lru_cache(maxsize=20_000)
def stem(word: str) -> str:
    """The singular of a lower-case word, abbreviations spelled out; rough, the same on both sides of a comparison."""
    word = word.removesuffix("'s").removesuffix("'")
    word = ABBREVIATIONS.get(word, word)
    if len(word) <= 3 or word.endswith(("ss", "us", "is")):
        return word
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith(("ches", "shes", "sses", "xes", "zes")):
        return word[:-2]
    return ABBREVIATIONS.get(word[:-1], word[:-1]) if word.endswith("s") else word


@functools.lru_cache(maxsize=20_000)
def name_parts(name: str) -> tuple[str, ...]:
    """customer_id, customerId, "Customer ID" -> ("customer", "id")."""
    spaced = CAMEL.sub(" ", name)
    out: list[str] = []
    for part in PART.findall(spaced.lower()):
        out += stem(part).split("_")
    return tuple(out)


@functools.lru_cache(maxsize=20_000)
def split_name(name: str) -> tuple[str, ...]:
    """customer_id, customerId -> ("customer", "id"); abbreviations stay, but for the ones that everybody writes out."""
    parts = PART.findall(CAMEL.sub(" ", name).lower())
    return tuple(w for p in parts for w in ABBREVIATIONS.get(p, p).split("_"))


@functools.cache
def english() -> frozenset[str]:
    """Common words, gathered from the prose in the comments of open source packages: none of them is a slip of the pen."""
    return frozenset(ENGLISH.read_text(encoding="utf-8").split())


@functools.cache
def plain() -> frozenset[str]:
    """Words that people use to ask for things; a slip of the pen is set right to one of these."""
    return frozenset(PLAIN.read_text(encoding="utf-8").split())


def words_of(text: str) -> list[Word]:
    """Words and signs in order."""
    return [Word(m.group(), m.start(), m.end()) for m in WORD.finditer(text)]
