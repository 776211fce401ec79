"""One warm connection to an AWS endpoint, with signed requests (Signature Version 4).

An SDK would do it too, and take longer to import than all of this function takes to start.
"""

import hashlib
import hmac
import http.client
import os
import time
import urllib.parse

REGION = os.environ.get("AWS_REGION", "us-east-1")
LOCAL = ("127.0.0.1", "localhost", "::1")
ALGORITHM = "AWS4-HMAC-SHA256"


class Endpoint:
    """Where a service answers: `address` is a URL, or a host that takes TLS unless it is this machine."""

    def __init__(self, address, service, timeout):
        scheme = "http" if address.startswith(LOCAL) else "https"
        self.url = urllib.parse.urlsplit(address if "://" in address else f"{scheme}://{address}")
        self.service = service
        self.timeout = timeout
        self.connection = None
        self.signing_key = (None, None)  # the day, and the key that holds for it

    def call(self, method, path, body, headers):
        """Status and body of the answer. A connection that the other side has closed meanwhile is opened anew, once."""
        is_warm = self.connection is not None
        try:
            return self.send(method, path, body, headers)
        except (OSError, http.client.HTTPException):
            self.close()
            if not is_warm:
                raise
        try:
            return self.send(method, path, body, headers)
        except (OSError, http.client.HTTPException):
            self.close()
            raise

    def close(self):
        if self.connection:
            self.connection.close()
        self.connection = None

    def send(self, method, path, body, headers):
        if self.connection is None:
            kind = http.client.HTTPSConnection if self.url.scheme == "https" else http.client.HTTPConnection
            self.connection = kind(self.url.netloc, timeout=self.timeout)
        self.connection.request(method, path, body, headers | self.signature(method, path, body, headers))
        answer = self.connection.getresponse()
        return answer.status, answer.read()

    def signature(self, method, path, body, headers):
        """The headers that say who asks. Paths here have no characters to encode, and no query."""
        now = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        signed = {name: value for name, value in headers.items() if name.startswith("x-amz-")}
        signed |= {"host": self.url.netloc, "x-amz-date": now}
        if token := os.environ.get("AWS_SESSION_TOKEN"):
            signed["x-amz-security-token"] = token
        names = ";".join(sorted(signed))
        lines = "".join(f"{name}:{signed[name]}\n" for name in sorted(signed))
        request = f"{method}\n{path}\n\n{lines}\n{names}\n{hashlib.sha256(body).hexdigest()}"
        scope = f"{now[:8]}/{REGION}/{self.service}/aws4_request"
        text = f"{ALGORITHM}\n{now}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
        signature = hmac.new(self.key_of(now[:8]), text.encode(), "sha256").hexdigest()
        credential = f"{os.environ.get('AWS_ACCESS_KEY_ID', '')}/{scope}"
        del signed["host"]  # http.client writes that one itself
        return signed | {
            "authorization": f"{ALGORITHM} Credential={credential}, SignedHeaders={names}, Signature={signature}"
        }

    def key_of(self, day):
        if self.signing_key[0] != day:
            key = ("AWS4" + os.environ.get("AWS_SECRET_ACCESS_KEY", "")).encode()
            for part in (day, REGION, self.service, "aws4_request"):
                key = hmac.new(key, part.encode(), "sha256").digest()
            self.signing_key = (day, key)
        return self.signing_key[1]
