"""Card authorizations on their way from the stream into the search index.

What comes out of an authorization has its issuer, its merchant's category and whether it was declined; instead of the card's
number it has a token, which is the same for the same card and says nothing to whoever lacks the key. No number is indexed or logged.

What is no authorization is reported by its sequence number: Lambda halves the batch until it stands alone, and sends where it
lies to the dead-letter queue. Everything else of the batch stays done.
"""

import binascii
import hashlib
import json
import os
import re
import time

import index
from outage import UNAVAILABLE, watch
from tables import BINS, CATEGORIES

APPROVED = "00"
BLOCK_BYTES = 64
ID = re.compile(r"[\w.:-]{1,128}", re.ASCII)
ADDED = frozenset({"issuer", "issuer_country", "merchant_category", "is_decline", "card_token", "arrived_at"})

read = json.JSONDecoder().raw_decode
write = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, check_circular=False).encode


def members(**values):
    """Members of a JSON object without its braces."""
    return write(values)[1:-1]


# By BIN: the issuer, and what a document says of it. By category code: what a document says of it.
ISSUERS = {bin: (issuer, members(issuer=issuer, issuer_country=country)) for bin, (issuer, country) in BINS.items()}
UNKNOWN_ISSUER = ("unknown", members(issuer="unknown", issuer_country=None))
MERCHANT_CATEGORIES = {code: members(merchant_category=category) for code, category in CATEGORIES.items()}
UNKNOWN_CATEGORY = members(merchant_category="unknown")


def pads(key):
    """The two halves of an HMAC-SHA-256 that depend on the key alone, made once."""
    key = (hashlib.sha256(key).digest() if len(key) > BLOCK_BYTES else key).ljust(BLOCK_BYTES, b"\0")
    return [hashlib.sha256(bytes(byte ^ pad for byte in key)) for pad in (0x36, 0x5C)]


INNER, OUTER = pads(os.environ["TOKEN_KEY"].encode())


def token_of(number):
    """HMAC-SHA-256 of a card's number, of which 128 bits are plenty."""
    inner, outer = INNER.copy(), OUTER.copy()
    inner.update(number.encode())
    outer.update(inner.digest())
    return "t-" + outer.hexdigest()[:32]


class NotAnAuthorization(Exception):
    """Why a record is none. The text never has anything of the record in it: it might be a card's number."""


def parse(text):
    """An authorization, checked for all that this function needs of it."""
    try:
        event, end = read(text)
    except (ValueError, RecursionError):
        raise NotAnAuthorization("no JSON") from None
    if end != len(text) or type(event) is not dict:
        raise NotAnAuthorization("no JSON object")
    try:
        card, merchant, amount = event["card"], event["merchant"], event["amount"]
        number, code, at, bin, category = (
            card["number"], event["response_code"], event["event_time"], card["bin"], merchant["category_code"]
        )
        if not ID.fullmatch(event["authorization_id"]):
            raise NotAnAuthorization("authorization_id has characters that no id has")
        if type(amount) not in (int, float):
            raise NotAnAuthorization("amount is no number")
        if not (type(number) is str and number.isdigit() and 12 <= len(number) <= 19):
            raise NotAnAuthorization("card.number is no card's number")
        if not (type(code) is type(at) is type(bin) is type(category) is str):
            raise NotAnAuthorization("a text is none")
    except KeyError as error:
        raise NotAnAuthorization(f"{error.args[0]} is missing") from None
    except TypeError:
        raise NotAnAuthorization("a member has another type") from None
    return event


def is_kept(rest, number, event):
    """Whether what is left of a text can stay as it came: one line, nothing escaped, no other number, nothing that is added."""
    plain = "\\" not in rest and "\n" not in rest and "\r" not in rest
    return plain and number not in rest and '"number"' not in rest and ADDED.isdisjoint(event)


def document(text, event, arrived_at):
    """The document of an authorization, as JSON in one line without the card's number; and its issuer."""
    number = event["card"]["number"]
    token = token_of(number)
    # Taking words out of a text is several times as fast as writing all of it anew, which is for what is written otherwise.
    kept = text.replace(f'"number":"{number}",', "", 1)
    if not is_kept(kept, number, event):
        del event["card"]["number"]
        kept = write({name: value for name, value in event.items() if name not in ADDED}).replace(number, token)
    issuer, of_issuer = ISSUERS.get(event["card"]["bin"], UNKNOWN_ISSUER)
    category = MERCHANT_CATEGORIES.get(event["merchant"]["category_code"], UNKNOWN_CATEGORY)
    is_decline = "false" if event["response_code"] == APPROVED else "true"
    line = f'{kept[:-1]},{of_issuer},{category},"is_decline":{is_decline},"card_token":"{token}","arrived_at":{arrived_at}}}'
    return line, issuer


class Days:
    """Names of daily indices, by the time of arrival: a record that comes again belongs to the same one."""

    def __init__(self):
        self.day, self.name = None, None

    def index_of(self, arrived_at):
        day = arrived_at // 86_400_000
        if day != self.day:
            self.day, self.name = day, index.PREFIX + time.strftime("%Y.%m.%d", time.gmtime(day * 86_400))
        return self.name


days = Days()


def log(level, message, **more):
    print(json.dumps({"level": level, "message": message} | more))


def handler(event, context):
    deadline = time.monotonic() + context.get_remaining_time_in_millis() / 1000 - index.RESERVE_SECONDS
    actions, sequences, failed = [], [], []
    counts, declines = {}, 0
    for record in event["Records"]:
        kinesis = record["kinesis"]
        arrived_at = round(kinesis["approximateArrivalTimestamp"] * 1000)
        try:
            text = binascii.a2b_base64(kinesis["data"]).decode().strip()
            authorization = parse(text)
        except (NotAnAuthorization, UnicodeDecodeError) as error:
            reason = str(error) if isinstance(error, NotAnAuthorization) else "no UTF-8"
            log("WARN", "no authorization", sequence=kinesis["sequenceNumber"], reason=reason)
            failed.append(kinesis["sequenceNumber"])
            continue
        line, issuer = document(text, authorization, arrived_at)
        id = authorization["authorization_id"]
        actions.append(f'{{"index":{{"_index":"{days.index_of(arrived_at)}","_id":"{id}"}}}}\n{line}\n')
        sequences.append(kinesis["sequenceNumber"])
        if failed:
            # From its first failure on a batch comes again, in ever smaller parts: counted here, the neighbours of what is
            # no authorization would be counted many times, and a single decline among them would look like an outage.
            continue
        of_issuer = counts.setdefault(issuer, [0, 0])
        of_issuer[0] += 1
        code = authorization["response_code"]
        if code != APPROVED:
            declines += 1
            of_issuer[1] += code == UNAVAILABLE
    watch.batch(counts, declines)
    index.prepare(deadline)
    for place, reason in index.bulk(actions, deadline).items():
        log("WARN", "not indexed", sequence=sequences[place], reason=reason)
        failed.append(sequences[place])
    return {"batchItemFailures": [{"itemIdentifier": sequence} for sequence in failed]}
