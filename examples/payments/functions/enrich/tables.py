"""Who issued a card, where from, and what a merchant sells: small tables that come with the code."""

import csv
import pathlib

HERE = pathlib.Path(__file__).parent


def read(name):
    with open(HERE / name, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


BINS = {row["bin"]: (row["issuer"], row["country"]) for row in read("bins.csv")}
CATEGORIES = {row["category_code"]: row["category"] for row in read("categories.csv")}
