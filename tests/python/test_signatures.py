"""Signatures and TLS through the real door: whoever has the key gets in, and nobody else does."""

import base64
import configparser
import datetime
import json
import random
import signal
import socket
import ssl
import subprocess
import urllib.parse

import boto3
import botocore.auth
import botocore.awsrequest
import botocore.config
import botocore.credentials
import botocore.exceptions
import pytest
import urllib3
from conftest import BINARY, REGION, clean_environment, free_port, wait_for

SMOKE = [
    ("kinesis", "list_streams"), ("firehose", "list_delivery_streams"), ("glue", "get_databases"), ("iam", "list_users"),
    ("sts", "get_caller_identity"), ("sqs", "list_queues"), ("sns", "list_topics"), ("lambda", "list_functions"),
    ("logs", "describe_log_groups"), ("cloudwatch", "list_metrics"),
]
MISMATCH = "The request signature we calculated does not match the signature you provided."
TARGET = {"X-Amz-Target": "Kinesis_20131202.ListStreams", "Content-Type": "application/x-amz-json-1.1"}
HTTP = urllib3.PoolManager(retries=False)


class Key:
    """An access key with its secret, and the token of a temporary one."""

    def __init__(self, id, secret, token=None):
        self.id, self.secret, self.token = id, secret, token

    def of_botocore(self):
        return botocore.credentials.Credentials(self.id, self.secret, self.token)

    def client(self, server, service, endpoint=None, **settings):
        config = botocore.config.Config(retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=30)
        return boto3.session.Session().client(
            service, endpoint_url=endpoint or server.endpoint, region_name=REGION, aws_access_key_id=self.id,
            aws_secret_access_key=self.secret, aws_session_token=self.token, config=config, **settings,
        )


def root_key(server):
    file = configparser.ConfigParser()
    file.read(server.data / "credentials")
    return Key(file["default"]["aws_access_key_id"], file["default"]["aws_secret_access_key"])


@pytest.fixture(scope="module")
def locked(tmp_path_factory):
    """A server with --auth on, and its root key."""
    from conftest import Server

    server = Server(tmp_path_factory.mktemp("locked"), arguments=("--auth", "on")).start()
    server.root = root_key(server)
    yield server
    server.stop()


def signed(key, url, body=b"{}", headers=TARGET, service="kinesis", method="POST", shift=0, auth=None, monkeypatch=None):
    """A request as botocore signs it, at a time `shift` seconds from now."""
    request = botocore.awsrequest.AWSRequest(method=method, url=url, data=body, headers=dict(headers))
    signer = (auth or botocore.auth.SigV4Auth)(key.of_botocore(), service, REGION)
    moment = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=shift)
    if monkeypatch:
        monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda *_, **__: moment)
    signer.add_auth(request)
    return request.prepare()


def send(request):
    answer = HTTP.request(request.method, request.url, body=request.body, headers=dict(request.headers), redirect=False)
    return answer.status, answer.data.decode(errors="replace")


def refusal(call):
    with pytest.raises(botocore.exceptions.ClientError) as raised:
        call()
    error = raised.value.response["Error"]
    return error["Code"], error["Message"], raised.value.response["ResponseMetadata"]["HTTPStatusCode"]


@pytest.mark.parametrize("service,operation", SMOKE)
def test_the_right_key_gets_in_and_no_other(locked, service, operation):
    getattr(locked.root.client(locked, service), operation)()
    query = service in ("iam", "sts", "sns")
    # Their JSON tells the codes of their older query protocol, which clients take for theirs.
    old_codes = query or service in ("sqs", "cloudwatch")
    rest = service == "lambda"
    wrong = Key(locked.root.id, "x" * 40).client(locked, service)
    code, message, status = refusal(getattr(wrong, operation))
    assert code == ("SignatureDoesNotMatch" if old_codes else "InvalidSignatureException")
    assert message.startswith(MISMATCH) and "The Canonical String for this request should have been" in message
    assert status == (403 if query or rest else 400)
    for nobody in ("AKIAIOSFODNN7EXAMPLE", "000000000000", "AKIAMR000000000000AAAAAA"):
        code, message, _ = refusal(getattr(Key(nobody, "any").client(locked, service), operation))
        assert code == ("InvalidClientTokenId" if old_codes else "UnrecognizedClientException")
        assert message == "The security token included in the request is invalid."


def test_what_was_changed_on_its_way_is_refused(locked):
    request = signed(locked.root, locked.endpoint)
    assert send(request)[0] == 200
    request.body = b'{"Limit": 5}'
    request.headers["Content-Length"] = str(len(request.body))
    status, answer = send(request)
    assert status == 400 and json.loads(answer)["__type"] == "InvalidSignatureException"
    request = signed(locked.root, locked.endpoint)
    request.headers["X-Amz-Target"] = "Kinesis_20131202.DescribeLimits"
    assert json.loads(send(request)[1])["__type"] == "InvalidSignatureException"
    request = signed(locked.root, locked.endpoint)
    request.url += "/?a=b"
    assert json.loads(send(request)[1])["__type"] == "InvalidSignatureException"


def test_a_signature_is_for_one_service(locked):
    status, answer = send(signed(locked.root, locked.endpoint, service="sqs"))
    assert status == 400
    assert json.loads(answer)["message"] == "Credential should be scoped to correct service: 'kinesis'."


@pytest.mark.parametrize("shift,words", [(-16 * 60, "Signature expired: "), (16 * 60, "Signature not yet current: ")])
def test_a_clock_may_be_wrong_by_a_quarter_of_an_hour(locked, monkeypatch, shift, words):
    status, answer = send(signed(locked.root, locked.endpoint, shift=shift, monkeypatch=monkeypatch))
    error = json.loads(answer)
    assert (status, error["__type"]) == (400, "InvalidSignatureException")
    assert error["message"].startswith(words) and error["message"].endswith("15 min.)")
    near = signed(locked.root, locked.endpoint, shift=shift * 14 // 16, monkeypatch=monkeypatch)
    assert send(near)[0] == 200


def test_no_credentials_and_broken_ones(locked):
    status, answer = send(botocore.awsrequest.AWSRequest("POST", locked.endpoint, dict(TARGET), b"{}").prepare())
    assert status == 400
    assert json.loads(answer) == {"__type": "MissingAuthenticationTokenException", "message": "Missing Authentication Token"}
    request = signed(locked.root, locked.endpoint)
    request.headers["Authorization"] = request.headers["Authorization"].split(", Signature")[0]
    status, answer = send(request)
    assert (status, json.loads(answer)["__type"]) == (403, "IncompleteSignatureException")
    assert "Authorization header requires 'Signature' parameter." in json.loads(answer)["message"]


def test_presigned_urls_work_until_they_expire(locked, monkeypatch):
    sts = locked.root.client(locked, "sts")
    url = sts.generate_presigned_url("get_caller_identity", HttpMethod="GET", ExpiresIn=60)
    answer = HTTP.request("GET", url)
    assert answer.status == 200 and b":root</Arn>" in answer.data
    other = HTTP.request("GET", url.replace("GetCallerIdentity", "GetSessionToken"))
    assert other.status == 403 and b"SignatureDoesNotMatch" in other.data

    def queues(shift):
        query = {"Action": "ListQueues", "Version": "2012-11-05"}
        url = f"{locked.endpoint}/?{urllib.parse.urlencode(query)}"
        auth = lambda *words: botocore.auth.SigV4QueryAuth(*words, expires=60)
        return send(signed(locked.root, url, b"", {}, "sqs", "GET", shift, auth, monkeypatch))

    assert queues(0)[0] == 200 and queues(-50)[0] == 200
    status, answer = queues(-70)
    assert status == 400 and "<Code>RequestExpired</Code>" in answer


def test_sessions_need_their_token(locked):
    iam, sts = locked.root.client(locked, "iam"), locked.root.client(locked, "sts")
    trust = {"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::000000000000:root"}, "Action": "sts:AssumeRole"}
    ]}
    role = iam.create_role(RoleName="reader", AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    given = sts.assume_role(RoleArn=role, RoleSessionName="me")["Credentials"]
    session = Key(given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"])
    about = session.client(locked, "sts").get_caller_identity()
    assert about["Arn"] == "arn:aws:sts::000000000000:assumed-role/reader/me"
    for token in (None, session.token[:-1] + ("A" if session.token[-1] != "A" else "B"), session.token + "A"):
        code, *_ = refusal(Key(session.id, session.secret, token).client(locked, "sts").get_caller_identity)
        assert code == "InvalidClientTokenId"
    code, message, _ = refusal(session.client(locked, "sts").get_session_token)
    assert (code, message) == ("AccessDenied", "Cannot call GetSessionToken with session credentials")


def test_secrets_are_nowhere_but_in_the_credentials_file(start_server, unique):
    server = start_server(arguments=("--auth", "on"))
    root = root_key(server)
    assert (server.data / "credentials").stat().st_mode & 0o777 == 0o600
    iam, sts = root.client(server, "iam"), root.client(server, "sts")
    iam.create_user(UserName="ann")
    made = iam.create_access_key(UserName="ann")["AccessKey"]
    session = sts.get_session_token()["Credentials"]
    ann = Key(made["AccessKeyId"], made["SecretAccessKey"])
    assert ann.client(server, "sts").get_caller_identity()["Arn"].endswith(":user/ann")
    refusal(Key(ann.id, "wrong").client(server, "sts").get_caller_identity)
    secrets = [root.secret, ann.secret, session["SecretAccessKey"], session["SessionToken"]]
    server.restart()
    assert ann.client(server, "sts").get_caller_identity()["Arn"].endswith(":user/ann"), "the key outlives a restart"
    server.stop()
    files = [path for path in server.data.rglob("*") if path.is_file()]
    assert len(files) > 3
    for path in [*files, server.log]:
        content = path.read_bytes()
        for secret in secrets:
            found = secret.encode() in content
            assert found == (path.name == "credentials" and secret == root.secret), path


def test_the_command_line_signs(locked, unique):
    name = unique("signed")
    locked.root.client(locked, "kinesis").create_stream(StreamName=name, ShardCount=1)
    locked.root.client(locked, "kinesis").get_waiter("stream_exists").wait(StreamName=name, WaiterConfig={"Delay": 1})

    def millrace(*words, stdin="", **env):
        environment = clean_environment() | {"AWS_ENDPOINT_URL": locked.endpoint, "HOME": str(locked.folder)} | env
        return subprocess.run([BINARY, *words], env=environment, input=stdin, text=True, capture_output=True, timeout=60)

    file = {"AWS_SHARED_CREDENTIALS_FILE": str(locked.data / "credentials")}
    put = millrace("put", name, stdin='{"n": 1}\n{"n": 2}\n', **file)
    assert put.returncode == 0, put.stderr
    keys = {"AWS_ACCESS_KEY_ID": locked.root.id, "AWS_SECRET_ACCESS_KEY": locked.root.secret}
    sql = f"CREATE TABLE t (n INT) WITH ('connector' = 'kinesis', 'stream.arn' = " \
          f"'arn:aws:kinesis:{REGION}:000000000000:stream/{name}', 'format' = 'json'); SELECT 1 AS one;"
    asked = millrace("sql", stdin=sql, **keys)
    assert asked.returncode == 0, asked.stderr
    for env in ({}, {"AWS_ACCESS_KEY_ID": locked.root.id, "AWS_SECRET_ACCESS_KEY": "wrong"}):
        refused = millrace("put", name, stdin="{}\n", **env)
        assert refused.returncode != 0 and "This server verifies signatures: set AWS_ACCESS_KEY_ID" in refused.stderr
    absent = millrace("put", name, stdin="{}\n", AWS_SHARED_CREDENTIALS_FILE="/nowhere")
    assert absent.returncode != 0 and "/nowhere cannot be read" in absent.stderr


def test_own_routes_are_locked_too(locked):
    assert HTTP.request("GET", f"{locked.endpoint}/_millrace/health").status == 200
    for path in ("/_millrace/dlq", "/_millrace/sql", "/_millrace/deploy", "/metrics"):
        for method in ("GET", "POST"):
            answer = HTTP.request(method, f"{locked.endpoint}{path}", body=b"{}" if method == "POST" else None)
            assert answer.status == 400, f"{method} {path}: {answer.status}"
            assert json.loads(answer.data)["__type"] == "MissingAuthenticationTokenException"
    # What is no path of ours may be a bucket.
    bucket = HTTP.request("GET", f"{locked.endpoint}/anything")
    assert bucket.status == 403 and b"<Code>AccessDenied</Code>" in bucket.data
    for secret, status in ((locked.root.secret, 200), ("wrong", 400)):
        basic = {"Authorization": "Basic " + base64.b64encode(f"{locked.root.id}:{secret}".encode()).decode()}
        assert HTTP.request("GET", f"{locked.endpoint}/metrics", headers=basic).status == status


def test_own_routes_act_in_the_account_of_whoever_asks(locked):
    other = Key("AKIAMR111111111111ABCDEF", "another-accounts-secret-of-forty-letters")
    with open(locked.data / "credentials", "a") as file:
        file.write(f"\n[111111111111]\naws_access_key_id = {other.id}\naws_secret_access_key = {other.secret}\n")
    locked.process.send_signal(signal.SIGHUP)
    sqs = locked.root.client(locked, "sqs")
    sqs.send_message(QueueUrl=sqs.create_queue(QueueName="letters")["QueueUrl"], MessageBody="only for account 0")

    def letters(key, presigned=False):
        url, headers = f"{locked.endpoint}/_millrace/dlq/letters", {}
        if presigned:
            url = signed(key, url, b"", {}, "millrace", "GET", auth=botocore.auth.SigV4QueryAuth).url
        else:
            headers["Authorization"] = "Basic " + base64.b64encode(f"{key.id}:{key.secret}".encode()).decode()
        answer = HTTP.request("GET", url, headers=headers)
        return answer.status, answer.data.decode()

    for presigned in (False, True):
        wait_for(lambda: letters(other, presigned)[0] == 404, what="the other account has no such queue")
        status, told = letters(locked.root, presigned)
        assert status == 200 and "only for account 0" in told


def test_the_search_port_asks_for_a_key(locked):
    url = locked.search_url
    nobody = HTTP.request("GET", f"{url}/_cat/indices")
    assert nobody.status == 401 and nobody.headers["www-authenticate"].startswith("Basic")

    def basic(id, secret):
        token = base64.b64encode(f"{id}:{secret}".encode()).decode()
        return HTTP.request("GET", f"{url}/_cat/indices", headers={"Authorization": f"Basic {token}"}).status

    assert basic(locked.root.id, locked.root.secret) == 200
    assert basic(locked.root.id, "wrong") == 401 and basic("admin", "admin") == 401
    document = signed(locked.root, f"{url}/things/_doc/1?refresh=true", b'{"a": 1}', {"Content-Type": "application/json"},
                      "es", "PUT")
    assert send(document)[0] == 201
    found = signed(locked.root, f"{url}/things/_search?q=a:1", b"", {}, "es", "GET")
    assert json.loads(send(found)[1])["hits"]["total"]["value"] == 1
    wrong = signed(Key(locked.root.id, "wrong"), f"{url}/things/_search", b"", {}, "es", "GET")
    status, answer = send(wrong)
    assert status == 403 and json.loads(answer)["message"].startswith(MISMATCH)
    assert send(signed(locked.root, f"{url}/things", b"", {}, "kinesis", "DELETE"))[0] == 403


def test_a_fuzzed_request_never_gets_in(locked):
    """Thousands of requests, each with one byte changed anywhere in what is signed: through the socket, as it is."""
    dice = random.Random(20261121)
    host = f"127.0.0.1:{locked.port}"
    body = b'{"Limit": 7}'
    request = signed(locked.root, f"http://{host}/", body)
    names = ["X-Amz-Target", "Content-Type", "X-Amz-Date", "Authorization"]
    headers = {name: request.headers[name] if isinstance(request.headers[name], str) else request.headers[name].decode()
               for name in names}
    parts = ["POST", "/", *headers.values(), body.decode()]
    letters = "".join(map(chr, range(33, 127)))
    socket_ = None
    tried = passed = 0

    def ask(method, path, values, body):
        nonlocal socket_
        lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", f"Content-Length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in zip(names, values)]
        if socket_ is None:
            socket_ = socket.create_connection(("127.0.0.1", locked.port), timeout=10)
        socket_.sendall("\r\n".join([*lines, "", body]).encode())
        answer = b""
        while b"\r\n\r\n" not in answer:
            more = socket_.recv(65536)
            if not more:
                socket_ = None
                return 0
            answer += more
        head, _, rest = answer.partition(b"\r\n\r\n")
        length = [int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")]
        while length and len(rest) < length[0]:
            rest += socket_.recv(65536)
        if not length or b"connection: close" in head.lower():
            socket_.close()
            socket_ = None
        return int(head.split()[1])

    assert ask(parts[0], parts[1], parts[2:-1], parts[-1]) == 200
    for _ in range(2500):
        changed = list(parts)
        which = dice.randrange(len(parts))
        text = changed[which]
        at = dice.randrange(len(text))
        how = dice.randrange(3)
        letter = dice.choice(letters)
        changed[which] = {
            0: text[:at] + letter + text[at + 1:], 1: text[:at] + letter + text[at:], 2: text[:at] + text[at + 1:]
        }[how]
        # Spaces between the parts of the header say nothing, and neither does an absent path.
        if changed[which].replace(" ", "") == text.replace(" ", "") or not changed[1].startswith("/") or not changed[0]:
            continue
        tried += 1
        status = ask(changed[0], changed[1], changed[2:-1], changed[-1])
        if 200 <= status < 400 and not changed[1].startswith("//"):
            passed += 1
            print("passed:", changed)
    assert passed == 0 and tried > 2000


def test_tls_and_plaintext_share_the_port(locked):
    authority = locked.data / "tls" / "ca.pem"
    kinesis = locked.root.client(locked, "kinesis", endpoint=f"https://localhost:{locked.port}", verify=str(authority))
    assert "StreamNames" in kinesis.list_streams()
    untrusting = locked.root.client(locked, "kinesis", endpoint=f"https://localhost:{locked.port}")
    with pytest.raises(botocore.exceptions.SSLError):
        untrusting.list_streams()
    context = ssl.create_default_context(cafile=str(authority))
    for port, wanted in ((locked.port, "h2"), (locked.search_port, "http/1.1")):
        context.set_alpn_protocols([wanted])
        with socket.create_connection(("127.0.0.1", port), timeout=5) as plain:
            with context.wrap_socket(plain, server_hostname="127.0.0.1") as stream:
                assert stream.selected_alpn_protocol() == wanted
    private = locked.data / "tls" / "private"
    assert [path.stat().st_mode & 0o777 for path in (private, private / "ca.key")] == [0o700, 0o600]


def own_address():
    """An address of this machine that is not the loopback one, if it has any."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
            return probe.getsockname()[0]
        except OSError:
            return None


def test_other_machines_must_use_tls(start_server):
    address = own_address()
    if not address or address.startswith("127."):
        pytest.skip("this machine has the loopback address only")
    server = start_server(arguments=("--auth", "on", "--host", "0.0.0.0"))
    assert f"https://localhost:{server.port}" in server.log_text()
    health = b"GET /_millrace/health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"

    def ask(source, tls=False):
        with socket.create_connection(("127.0.0.1", server.port), timeout=5, source_address=(source, 0)) as plain:
            context = ssl.create_default_context(cafile=server.data / "tls" / "ca.pem")
            stream = context.wrap_socket(plain, server_hostname="localhost") if tls else plain
            stream.sendall(health)
            answer = b"".join(iter(lambda: stream.recv(65536), b""))
            return answer.decode()

    # Whoever comes from another address than the one they go to is taken for another machine.
    assert ask("127.0.0.1").startswith("HTTP/1.1 200")
    assert ask(address, tls=True).startswith("HTTP/1.1 200")
    refused = ask(address)
    assert refused.startswith("HTTP/1.1 400") and "use https://" in refused


def test_the_aws_cli_needs_nothing_but_the_files(locked, unique):
    name = unique("cli")
    environment = locked.environment() | {
        "AWS_ENDPOINT_URL": f"https://localhost:{locked.port}", "AWS_CA_BUNDLE": str(locked.data / "tls" / "ca.pem"),
        "AWS_SHARED_CREDENTIALS_FILE": str(locked.data / "credentials"),
    }
    del environment["AWS_ACCESS_KEY_ID"], environment["AWS_SECRET_ACCESS_KEY"]
    for words in (("kinesis", "create-stream", "--stream-name", name), ("kinesis", "list-streams"), ("sts", "get-caller-identity")):
        done = subprocess.run(["aws", *words], env=environment, text=True, capture_output=True, timeout=60, cwd=locked.folder)
        assert done.returncode == 0, done.stderr
    locked.root.client(locked, "kinesis").get_waiter("stream_exists").wait(StreamName=name, WaiterConfig={"Delay": 1})
    for words, stdin, said in ((["put", name], '{"n": 1}\n', ""), (["tail", name, "--from-start", "-n", "1"], "", '{"n": 1}')):
        done = subprocess.run([BINARY, *words], env=environment, input=stdin, text=True, capture_output=True, timeout=60)
        assert done.returncode == 0 and said in done.stdout, done.stderr


def test_what_a_server_refuses_to_start_with(tmp_path):
    def up(*words):
        command = [BINARY, "up", "--port", str(free_port()), "--search-port", str(free_port()), "--data", str(tmp_path)]
        return subprocess.run([*command, *words], env=clean_environment(), text=True, capture_output=True, timeout=30)

    refused = up("--host", "0.0.0.0")
    assert refused.returncode != 0
    assert "--host 0.0.0.0 can be reached by other machines" in refused.stderr and "--auth on" in refused.stderr
    refused = up("--tls-cert", str(tmp_path / "none.pem"), "--tls-key", str(tmp_path / "none.key"))
    assert refused.returncode != 0 and "none.pem" in refused.stderr


def test_the_banner_says_whether_anybody_checks(server, locked):
    assert "auth       off: whoever reaches these ports may do everything" in server.log_text()
    assert f"auth       on; a new root key is in {locked.data / 'credentials'}" in locked.log_text()
