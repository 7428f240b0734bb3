"""The demo's data: a web shop of three years, made up and the same every time.

It owns the tables, the made-up rows and the SQL that brings them to a server; it knows
no connection. Python promises only of random() that a seed gives the same numbers in
every version, so nothing else of its generator is used.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import islice
from typing import Final, TypeVar

_ROWS_PER_INSERT: Final = 800
_ORDERS_PER_BATCH: Final = 400
_FIRST_DAY: Final = datetime(2022, 1, 1)
_DAYS: Final = 3 * 365

T = TypeVar("T")
_Draw = Callable[[], float]

TABLES: Final = (
    """\
CREATE TABLE categories (
  id SMALLINT UNSIGNED PRIMARY KEY,
  parent_id SMALLINT UNSIGNED REFERENCES categories (id),
  name VARCHAR(40) NOT NULL UNIQUE
)""",
    """\
CREATE TABLE products (
  id INT UNSIGNED PRIMARY KEY,
  category_id SMALLINT UNSIGNED NOT NULL REFERENCES categories (id),
  sku CHAR(9) NOT NULL UNIQUE,
  name VARCHAR(80) NOT NULL,
  price DECIMAL(9,2) NOT NULL,
  weight_kg DECIMAL(7,3),
  stock INT NOT NULL,
  launched DATE NOT NULL,
  description TEXT,
  KEY (price)
)""",
    """\
CREATE TABLE customers (
  id INT UNSIGNED PRIMARY KEY,
  email VARCHAR(80) NOT NULL UNIQUE,
  name VARCHAR(80) NOT NULL,
  city VARCHAR(40) NOT NULL,
  country CHAR(2) NOT NULL,
  born DATE,
  newsletter BOOLEAN NOT NULL,
  registered DATETIME NOT NULL,
  KEY (country, city),
  KEY (name)
)""",
    """\
CREATE TABLE orders (
  id INT UNSIGNED PRIMARY KEY,
  customer_id INT UNSIGNED NOT NULL REFERENCES customers (id),
  ordered_at DATETIME NOT NULL,
  status ENUM('open', 'paid', 'shipped', 'returned', 'cancelled') NOT NULL,
  shipped_on DATE,
  shipping DECIMAL(6,2) NOT NULL,
  coupon VARCHAR(12),
  KEY (ordered_at)
)""",
    """\
CREATE TABLE order_items (
  order_id INT UNSIGNED NOT NULL REFERENCES orders (id),
  line TINYINT UNSIGNED NOT NULL,
  product_id INT UNSIGNED NOT NULL REFERENCES products (id),
  quantity SMALLINT UNSIGNED NOT NULL,
  price DECIMAL(9,2) NOT NULL,
  discount DECIMAL(4,3),
  PRIMARY KEY (order_id, line)
)""",
    """\
CREATE TABLE payments (
  order_id INT UNSIGNED PRIMARY KEY REFERENCES orders (id),
  method ENUM('card', 'transfer', 'wallet', 'invoice') NOT NULL,
  amount DECIMAL(10,2) NOT NULL,
  paid_at DATETIME(3) NOT NULL
)""",
    """\
CREATE TABLE reviews (
  id INT UNSIGNED PRIMARY KEY,
  product_id INT UNSIGNED NOT NULL REFERENCES products (id),
  customer_id INT UNSIGNED NOT NULL REFERENCES customers (id),
  stars TINYINT UNSIGNED NOT NULL,
  title VARCHAR(60),
  body TEXT,
  written DATE NOT NULL
)""",
)

# By country: cities, then given names, then family names.
_PEOPLE: Final = {
    "DE": (
        "Berlin Hamburg München Köln Düsseldorf Nürnberg Lübeck",
        "Jürgen Anna Sören Käthe Björn Lena Götz Jörg Sophie Uwe",
        "Müller Schröder Weiß Krüger Bäcker Jäger König Vogel Groß",
    ),
    "FR": (
        "Paris Lyon Nîmes Besançon Orléans Angoulême Sète",
        "Zoé François Chloé Hélène Théo Inès Maël Océane Jérôme",
        "Lefèvre Girard Château Béranger Noël Garçon Dubois Forêt",
    ),
    "ES": (
        "Madrid Málaga Cádiz León Logroño Córdoba Sevilla",
        "José Begoña Íñigo María Andrés Lucía Óscar Ángela Toño",
        "Núñez Ibáñez García Peña Muñoz Cañizares Suárez Vega",
    ),
    "PL": (
        "Warszawa Kraków Łódź Gdańsk Poznań Wrocław Rzeszów",
        "Łukasz Małgorzata Stanisław Zuzanna Michał Świętosława Jan",
        "Wiśniewski Dąbrowski Zając Wójcik Grzęda Żak Król Małek",
    ),
    "DK": (
        "København Aarhus Odense Ærøskøbing Tønder Helsingør",
        "Søren Åse Jørgen Mette Bjørn Kåre Freja Rasmus",
        "Sørensen Østergaard Kjær Mølgaard Åkjær Holm",
    ),
    "CZ": (
        "Praha Brno Plzeň Žďár Děčín Třebíč",
        "Jiří Božena Ondřej Šárka Zdeněk Růžena Petr",
        "Dvořák Černý Růžička Němec Pospíšil Šťastný",
    ),
    "GR": (
        "Αθήνα Πάτρα Θεσσαλονίκη Ηράκλειο Βόλος",
        "Γιώργος Ελένη Νίκος Μαρία Σοφία Δημήτρης",
        "Παπαδόπουλος Γεωργίου Νικολάου Δημητρίου",
    ),
    "JP": (
        "東京 大阪 京都 札幌 福岡 那覇",
        "さくら 翔太 陽菜 健一 美咲 蓮 結衣",
        "佐藤 鈴木 高橋 田中 渡辺 伊藤 山本",
    ),
    "IE": (
        "Dublin Cork Galway Limerick Sligo",
        "Séamus Niamh Oisín Áine Ciarán Siobhán Pádraig",
        "O'Brien O'Neill Ó'Dálaigh Murphy Walsh Byrne",
    ),
}
_COUNTRIES: Final = tuple(_PEOPLE)
_CATEGORIES: Final = {
    "Garden": "Tools Rakes Parasols Lamps Fountains",
    "Kitchen": "Graters Pans Bowls Jugs Baskets",
    "Outdoor": "Tents Rucksacks Lanterns Stoves Ropes",
    "Cycling": "Tyres Lights Helmets Saddles Locks",
    "Office": "Desks Chairs Pens Notebooks Clocks",
    "Music": "Guitars Flutes Pianos Drums Stands",
}
_ADJECTIVES: Final = (
    "Small Large Green Blue Foldable Classic Nordic Crème Naïve Élan Robust Light "
    "Über Vintage Compact Silent"
)
_MATERIALS: Final = "Oak Steel Cotton Linen Copper Glass Cork Wool Bamboo Slate"
_COUPONS: Final = ("SPRING10", "WELCOME", "SØMMER15", "THANKYOU")
_PRAISE: Final = (
    "Does what it should, and looks good doing it.",
    "Très bien, je recommande !",
    "Hält, was es verspricht. Die Lieferung kam früher als gedacht.",
    "とても良い商品です。また買います。",
    "Better than the one I had before 👍",
    "Πολύ καλό, αλλά λίγο ακριβό.",
)
_BLAME: Final = (
    "It broke after two weeks 😕",
    "La couleur ne correspond pas à la photo.",
    "Zu klein für den Preis.",
    "Nie polecam, za drogie.",
)


@dataclass(frozen=True, slots=True)
class Shop:
    """How much there is of everything, for a scale of which 1.0 is the default."""

    scale: float = 1.0

    @property
    def customers(self) -> int:
        return max(1, int(12_000 * self.scale))

    @property
    def products(self) -> int:
        return max(1, int(2_000 * self.scale))

    @property
    def orders(self) -> int:
        return max(1, int(48_000 * self.scale))

    @property
    def reviews(self) -> int:
        return max(1, int(15_000 * self.scale))

    def inserts(self) -> Iterator[str]:
        """Yield the statements that fill the tables; their order does not matter.

        The rows refer to each other across statements, so the keys are not checked.
        """
        yield from _inserts("categories", _categories())
        yield from _inserts("products", self._products())
        yield from _inserts("customers", self._customers())
        yield from self._orders()
        yield from _inserts("reviews", self._reviews())

    @property
    def insert_count(self) -> int:
        """How many statements inserts() yields."""
        plain = (len(list(_categories())), self.products, self.customers, self.reviews)
        batches = -(-self.orders // _ORDERS_PER_BATCH)
        return sum(-(-rows // _ROWS_PER_INSERT) for rows in plain) + 3 * batches

    def _products(self) -> Iterator[str]:
        draw = random.Random(1).random
        adjectives, materials = _ADJECTIVES.split(), _MATERIALS.split()
        leaves = [name for names in _CATEGORIES.values() for name in names.split()]
        for number, price in enumerate(self._prices(), 1):
            leaf = int(len(leaves) * draw())
            category = len(_CATEGORIES) + leaf + 1
            kind = leaves[leaf].removesuffix("s")
            name = f"{_pick(draw, adjectives)} {_pick(draw, materials)} {kind}"
            weight = "NULL" if draw() < 0.15 else f"{30 * draw() ** 3:.3f}"
            launched = _day(-900 + int(1500 * draw()))
            text = "NULL" if draw() < 0.3 else _quote(f"{name}. {_pick(draw, _PRAISE)}")
            yield (
                f"({number},{category},'SKU{number:06}',{_quote(name)},{price},"
                f"{weight},{int(300 * draw() ** 2)},'{launched}',{text})"
            )

    def _customers(self) -> Iterator[str]:
        draw = random.Random(2).random
        people = {
            country: [words.split() for words in lists]
            for country, lists in _PEOPLE.items()
        }
        for number in range(1, self.customers + 1):
            country = _COUNTRIES[int(len(_COUNTRIES) * draw() ** 1.7)]
            cities, given, family = people[country]
            name = f"{_pick(draw, given)} {_pick(draw, family)}"
            registered = _DAYS * (number - 1) / self.customers
            born = "NULL" if draw() < 0.2 else f"'{_day(-int(4000 + 22000 * draw()))}'"
            yield (
                f"({number},'customer{number}@example.{country.lower()}',"
                f"{_quote(name)},'{_pick(draw, cities)}','{country}',{born},"
                f"{int(draw() < 0.4)},'{_moment(registered)}')"
            )

    def _orders(self) -> Iterator[str]:
        """Yield inserts of orders, each followed by those of its items and payments."""
        draw = random.Random(3).random
        prices = self._prices()
        numbers = iter(range(1, self.orders + 1))
        while batch := list(islice(numbers, _ORDERS_PER_BATCH)):
            orders: list[str] = []
            items: list[str] = []
            payments: list[str] = []
            for number in batch:
                # The shop grows, and so does the number of orders a day.
                day = _DAYS * ((number - draw()) / self.orders) ** 0.7
                total = 0.0
                for line in range(1, 2 + int(4.5 * draw() ** 1.5)):
                    product = 1 + int(self.products * draw() ** 2)
                    quantity = 1 + int(5 * draw() ** 4)
                    price = prices[product - 1]
                    rebate = 0.05 * int(1 + 5 * draw()) if draw() < 0.2 else 0.0
                    total += quantity * float(price) * (1 - rebate)
                    items.append(
                        f"({number},{line},{product},{quantity},{price},"
                        f"{f'{rebate:.3f}' if rebate else 'NULL'})"
                    )
                orders.append(self._order(draw, number, day))
                if draw() < 0.93:
                    method = 1 + int(4 * draw() ** 1.6)
                    paid = _moment(day + 3 * draw() ** 3)
                    milliseconds = int(1000 * draw())
                    payments.append(
                        f"({number},{method},{total:.2f},'{paid}.{milliseconds:03}')"
                    )
            yield _insert("orders", orders)
            yield _insert("order_items", items)
            # Never empty but in the tiniest of shops.
            yield _insert("payments", payments) if payments else "DO 0"

    def _order(self, draw: _Draw, number: int, day: float) -> str:
        # Nobody orders before having registered.
        customer = 1 + int(self.customers * day / _DAYS * draw() ** 1.3)
        chance = draw()
        status, shipped = "shipped", f"'{_day(int(day + 1 + 6 * draw()))}'"
        if chance < 0.06:
            status = "returned"
        elif chance < 0.13:
            status, shipped = ("cancelled" if chance < 0.1 else "paid"), "NULL"
        elif day > _DAYS - 2:
            status, shipped = "open", "NULL"
        shipping = _pick(draw, ("0.00", "3.90", "4.90", "12.50"))
        coupon = f"'{_pick(draw, _COUPONS)}'" if draw() < 0.12 else "NULL"
        return (
            f"({number},{customer},'{_moment(day)}','{status}',{shipped},"
            f"{shipping},{coupon})"
        )

    def _reviews(self) -> Iterator[str]:
        draw = random.Random(4).random
        for number in range(1, self.reviews + 1):
            stars = 5 - int(5 * draw() ** 2)
            texts = _PRAISE if stars > 2 else _BLAME
            body = "NULL" if draw() < 0.25 else _quote(_pick(draw, texts))
            title = _quote("★" * stars) if draw() < 0.5 else "NULL"
            product = 1 + int(self.products * draw() ** 2)
            day = _DAYS * draw()
            customer = 1 + int(self.customers * day / _DAYS * draw())
            yield (
                f"({number},{product},{customer},{stars},{title},{body},"
                f"'{_day(int(day))}')"
            )

    def _prices(self) -> list[str]:
        draw = random.Random(5).random
        return [f"{2 + 400 * draw() ** 4:.2f}" for _ in range(self.products)]


def _categories() -> Iterator[str]:
    for number, name in enumerate(_CATEGORIES, 1):
        yield f"({number},NULL,'{name}')"
    number = len(_CATEGORIES)
    for parent, names in enumerate(_CATEGORIES.values(), 1):
        for name in names.split():
            number += 1
            yield f"({number},{parent},'{name}')"


def _inserts(table: str, rows: Iterable[str]) -> Iterator[str]:
    rows = iter(rows)
    while batch := list(islice(rows, _ROWS_PER_INSERT)):
        yield _insert(table, batch)


def _insert(table: str, rows: list[str]) -> str:
    values = ",\n".join(rows)
    return (
        f"SET STATEMENT foreign_key_checks=0 FOR INSERT INTO {table} VALUES\n{values}"
    )


def _pick(draw: _Draw, choices: Sequence[T]) -> T:
    return choices[int(len(choices) * draw())]


def _day(number: int) -> date:
    """Return a day by its number from the shop's first."""
    return _FIRST_DAY.date() + timedelta(number)


def _moment(days: float) -> str:
    return f"{_FIRST_DAY + timedelta(days):%Y-%m-%d %H:%M:%S}"


def _quote(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
