"""S3's own API as a door to the lake: boto3, the AWS CLI, pyarrow, DuckDB and curl, with encryption and signatures on."""

import configparser
import hashlib
import json
import subprocess
import urllib.error
import urllib.request

import boto3
import botocore.config
import botocore.exceptions
import duckdb
import pyarrow.fs
import pyarrow.parquet
import pytest

from conftest import ACCOUNT, REGION, Server, wait_for

MIB = 1024 * 1024


def code(error):
    return error.value.response["Error"]["Code"], error.value.response["ResponseMetadata"]["HTTPStatusCode"]


def keys_of(server):
    """The root key that a server with --auth on made."""
    found = configparser.ConfigParser()
    found.read(server.data / "credentials")
    section = found["default"]
    return section["aws_access_key_id"], section["aws_secret_access_key"]


def client(server, key=(ACCOUNT, "any"), style="path", service="s3"):
    # Without the version boto3 signs addresses by SigV2 in us-east-1.
    config = botocore.config.Config(
        signature_version="s3v4" if service == "s3" else None, retries={"total_max_attempts": 1}, s3={"addressing_style": style}, connect_timeout=5, read_timeout=30
    )
    return boto3.session.Session().client(
        service, endpoint_url=server.endpoint, region_name=REGION, aws_access_key_id=key[0],
        aws_secret_access_key=key[1], config=config,
    )


@pytest.fixture(scope="module")
def sealed(tmp_path_factory):
    """A server whose files are sealed and whose doors are locked."""
    server = Server(tmp_path_factory.mktemp("sealed"), arguments=["--encryption", "on", "--auth", "on"]).start()
    yield server
    server.stop()


@pytest.fixture(params=["open", "sealed"])
def door(request, server):
    """A server and a key for it: open and plain, or locked and sealed."""
    if request.param == "open":
        return server, (ACCOUNT, "any")
    sealed = request.getfixturevalue("sealed")
    return sealed, keys_of(sealed)


@pytest.fixture
def bucket(door, unique):
    server, key = door
    name = unique("lake")
    client(server, key).create_bucket(Bucket=name)
    return name


def test_objects_are_written_read_and_removed(door, bucket):
    s3 = client(*door)
    body = b"one \x00 two"
    put = s3.put_object(
        Bucket=bucket, Key="a b/ü+%.txt", Body=body, ContentType="text/plain", Metadata={"who": "me"},
        ChecksumAlgorithm="SHA256", CacheControl="no-store",
    )
    got = s3.get_object(Bucket=bucket, Key="a b/ü+%.txt")
    assert got["Body"].read() == body and got["ContentType"] == "text/plain" and got["Metadata"] == {"who": "me"}
    assert got["ETag"] == put["ETag"] and got["CacheControl"] == "no-store"
    head = s3.head_object(Bucket=bucket, Key="a b/ü+%.txt")
    assert (head["ContentLength"], head["ETag"], head["LastModified"]) == (9, put["ETag"], got["LastModified"])
    part = s3.get_object(Bucket=bucket, Key="a b/ü+%.txt", Range="bytes=4-4")
    assert (part["Body"].read(), part["ContentRange"], part["ResponseMetadata"]["HTTPStatusCode"]) == (b"\0", "bytes 4-4/9", 206)
    with pytest.raises(botocore.exceptions.ClientError) as error:
        s3.get_object(Bucket=bucket, Key="a b/ü+%.txt", Range="bytes=9-")
    assert code(error) == ("InvalidRange", 416)
    with pytest.raises(botocore.exceptions.ClientError) as error:
        s3.get_object(Bucket=bucket, Key="a b/ü+%.txt", IfNoneMatch=put["ETag"])
    assert code(error)[1] == 304
    with pytest.raises(botocore.exceptions.ClientError) as error:
        s3.put_object(Bucket=bucket, Key="a b/ü+%.txt", Body=b"", IfNoneMatch="*")
    assert code(error) == ("PreconditionFailed", 412)
    assert s3.put_object(Bucket=bucket, Key="a b/ü+%.txt", Body=body)["ETag"] != put["ETag"]
    assert s3.head_object(Bucket=bucket, Key="a b/ü+%.txt")["Metadata"] == {}
    s3.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": "a b/ü+%.txt"},
                   MetadataDirective="REPLACE", ContentType="text/csv")
    assert s3.get_object(Bucket=bucket, Key="copy")["Body"].read() == body
    gone = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "copy"}, {"Key": "never <&"}]})
    assert {one["Key"] for one in gone["Deleted"]} == {"copy", "never <&"}
    with pytest.raises(s3.exceptions.NoSuchKey):
        s3.get_object(Bucket=bucket, Key="copy")
    with pytest.raises(botocore.exceptions.ClientError) as error:
        s3.delete_bucket(Bucket=bucket)
    assert code(error) == ("BucketNotEmpty", 409)
    s3.delete_object(Bucket=bucket, Key="a b/ü+%.txt")
    s3.delete_bucket(Bucket=bucket)
    with pytest.raises(botocore.exceptions.ClientError) as error:
        s3.list_objects_v2(Bucket=bucket)
    assert code(error) == ("NoSuchBucket", 404)


def test_what_arrives_broken_is_refused(door, bucket):
    s3 = client(*door)
    for wrong in ({"ChecksumCRC32": "AAAAAA=="}, {"ChecksumCRC64NVME": "AAAAAAAAAAA="}, {"ContentMD5": "AAAAAAAAAAAAAAAAAAAAAA=="},
                  {"ChecksumCRC32C": "AAAAAA=="}):
        with pytest.raises(botocore.exceptions.ClientError) as error:
            s3.put_object(Bucket=bucket, Key="x", Body=b"abc", **wrong)
        assert code(error) == ("BadDigest", 400), wrong
    for asked in ({"ACL": "public-read"}, {"ServerSideEncryption": "aws:kms"}, {"StorageClass": "GLACIER"}, {"Tagging": "a=b"}):
        with pytest.raises(botocore.exceptions.ClientError) as error:
            s3.put_object(Bucket=bucket, Key="x", Body=b"abc", **asked)
        assert code(error)[0] in ("NotImplemented", "AccessControlListNotSupported"), asked
    with pytest.raises(botocore.exceptions.ClientError) as error:
        s3.get_bucket_acl(Bucket=bucket)
    assert code(error) == ("NotImplemented", 501)
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)


def test_listings_are_pages_in_order(door, bucket):
    s3 = client(*door)
    names = ["a.b", "a/1", "a/2", "a/sub/3", "a0", "b", "c/1", "d", "e/x", "z"]
    for name in names:
        s3.put_object(Bucket=bucket, Key=name, Body=name.encode())
    for size in (1, 2, 3, 1000):
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, PaginationConfig={"PageSize": size})
        assert [one["Key"] for page in pages for one in page.get("Contents", [])] == names
        for operation in ("list_objects_v2", "list_objects"):
            found = []
            pages = s3.get_paginator(operation).paginate(Bucket=bucket, Delimiter="/", PaginationConfig={"PageSize": size})
            for page in pages:
                found += [one["Key"] for one in page.get("Contents", [])]
                found += [one["Prefix"] for one in page.get("CommonPrefixes", [])]
            assert sorted(found) == ["a.b", "a/", "a0", "b", "c/", "d", "e/", "z"], (size, operation)
    page = s3.list_objects_v2(Bucket=bucket, Prefix="a/", Delimiter="/")
    assert [one["Key"] for one in page["Contents"]] == ["a/1", "a/2"]
    assert [one["Prefix"] for one in page["CommonPrefixes"]] == ["a/sub/"]
    assert [one["Key"] for one in s3.list_objects_v2(Bucket=bucket, StartAfter="c/1")["Contents"]] == ["d", "e/x", "z"]


def test_uploads_in_parts(door, bucket):
    s3 = client(*door)
    content = bytes(range(256)) * (4096 * 5 + 3)
    upload = s3.create_multipart_upload(Bucket=bucket, Key="big", ContentType="text/plain")["UploadId"]
    parts = []
    for number, start in enumerate(range(0, len(content), 5 * MIB), 1):
        part = content[start:start + 5 * MIB]
        etag = s3.upload_part(Bucket=bucket, Key="big", UploadId=upload, PartNumber=number, Body=part)["ETag"]
        parts.append({"PartNumber": number, "ETag": etag})
    listed = s3.list_parts(Bucket=bucket, Key="big", UploadId=upload)["Parts"]
    assert [part["ETag"] for part in listed] == [part["ETag"] for part in parts]
    assert [one["UploadId"] for one in s3.list_multipart_uploads(Bucket=bucket)["Uploads"]] == [upload]
    with pytest.raises(botocore.exceptions.ClientError) as error:
        s3.complete_multipart_upload(Bucket=bucket, Key="big", UploadId=upload,
                                     MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": '"0"'}]})
    assert code(error) == ("InvalidPart", 400)
    s3.complete_multipart_upload(Bucket=bucket, Key="big", UploadId=upload, MultipartUpload={"Parts": parts})
    got = s3.get_object(Bucket=bucket, Key="big")
    assert hashlib.sha256(got["Body"].read()).digest() == hashlib.sha256(content).digest()
    assert got["ContentType"] == "text/plain"
    given_up = s3.create_multipart_upload(Bucket=bucket, Key="never")["UploadId"]
    s3.upload_part(Bucket=bucket, Key="never", UploadId=given_up, PartNumber=1, Body=b"x")
    s3.abort_multipart_upload(Bucket=bucket, Key="never", UploadId=given_up)
    with pytest.raises(botocore.exceptions.ClientError) as error:
        s3.list_parts(Bucket=bucket, Key="never", UploadId=given_up)
    assert code(error) == ("NoSuchUpload", 404)
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)
    assert not [path for path in (door[0].data / "lake" / ".multipart").rglob("*") if path.is_file()]


def test_the_command_line(door, bucket, tmp_path):
    server, (key, secret) = door
    env = server.environment() | {"AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret}

    def aws(*words):
        done = subprocess.run(["aws", *map(str, words)], env=env, text=True, capture_output=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout

    source = tmp_path / "source"
    (source / "sub").mkdir(parents=True)
    (source / "a.txt").write_text("a")
    (source / "sub" / "big.bin").write_bytes(b"x" * (9 * MIB))
    aws("s3", "sync", source, f"s3://{bucket}/copied")
    assert aws("s3", "sync", source, f"s3://{bucket}/copied") == ""
    listed = aws("s3", "ls", "--recursive", f"s3://{bucket}")
    assert "copied/a.txt" in listed and str(9 * MIB) in listed
    aws("s3", "cp", "--recursive", f"s3://{bucket}/copied", tmp_path / "back")
    assert (tmp_path / "back" / "sub" / "big.bin").read_bytes() == b"x" * (9 * MIB)
    aws("s3", "cp", f"s3://{bucket}/copied/sub/big.bin", f"s3://{bucket}/again.bin")
    assert str(9 * MIB) in aws("s3", "ls", f"s3://{bucket}/again.bin")
    head = json.loads(aws("s3api", "head-object", "--bucket", bucket, "--key", "copied/sub/big.bin"))
    assert head["ContentLength"] == 9 * MIB and head["ContentType"] == "application/octet-stream"
    assert bucket in aws("s3", "ls")
    aws("s3", "rb", "--force", f"s3://{bucket}")
    assert bucket not in aws("s3", "ls")


def test_presigned_addresses_and_hosts(door, bucket):
    server, key = door
    s3 = client(server, key)
    s3.put_object(Bucket=bucket, Key="x y", Body=b"by a link")
    url = s3.generate_presigned_url("get_object", {"Bucket": bucket, "Key": "x y"}, ExpiresIn=60)
    done = subprocess.run(["curl", "-sS", url], capture_output=True, timeout=30)
    assert done.stdout == b"by a link"
    # The bucket in the host, as curl resolves it.
    host = boto3.session.Session().client(
        "s3", endpoint_url=f"http://s3.localhost:{server.port}", region_name=REGION, aws_access_key_id=key[0],
        aws_secret_access_key=key[1], config=botocore.config.Config(signature_version="s3v4", s3={"addressing_style": "virtual"}),
    ).generate_presigned_url("get_object", {"Bucket": bucket, "Key": "x y"}, ExpiresIn=60)
    assert host.startswith(f"http://{bucket}.s3.localhost:")
    resolve = f"{bucket}.s3.localhost:{server.port}:127.0.0.1"
    done = subprocess.run(["curl", "-sS", "--resolve", resolve, host], capture_output=True, timeout=30)
    assert done.stdout == b"by a link"


def test_other_services_keep_their_paths(server, unique):
    queue = server.client("sqs").create_queue(QueueName=unique("queue"))["QueueUrl"]
    server.client("sqs").send_message(QueueUrl=queue, MessageBody="x")
    server.client("lambda").list_functions()
    for path in ("/_millrace/health", "/metrics"):
        with urllib.request.urlopen(server.endpoint + path) as answer:
            assert answer.status == 200
    name = unique("anyone")
    client(server).create_bucket(Bucket=name)
    client(server).put_object(Bucket=name, Key="x", Body=b"open")
    with urllib.request.urlopen(f"{server.endpoint}/{name}/x") as answer:
        assert answer.read() == b"open"
    records = "".join(path.read_text() for path in (server.data / "audit").rglob("*") if path.is_file())
    record = next(line for line in records.splitlines() if '"CreateBucket"' in line and name in line)
    assert "s3.amazonaws.com" in record


def test_policies_decide(sealed, unique):
    root = keys_of(sealed)
    name, s3, iam = unique("private"), client(sealed, root), client(sealed, root, service="iam")
    s3.create_bucket(Bucket=name)
    for key in ("in/x", "out/x"):
        s3.put_object(Bucket=name, Key=key, Body=b"x")
    user = unique("reader")
    iam.create_user(UserName=user)
    statement = [
        {"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{name}/in/*"},
        {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": f"arn:aws:s3:::{name}",
         "Condition": {"StringLike": {"s3:prefix": "in/*"}}},
    ]
    iam.put_user_policy(UserName=user, PolicyName="p", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": statement}))
    key = iam.create_access_key(UserName=user)["AccessKey"]
    reader = client(sealed, (key["AccessKeyId"], key["SecretAccessKey"]))
    assert reader.get_object(Bucket=name, Key="in/x")["Body"].read() == b"x"
    assert reader.list_objects_v2(Bucket=name, Prefix="in/")["KeyCount"] == 1
    refused = [
        lambda: reader.get_object(Bucket=name, Key="out/x"),
        lambda: reader.get_object(Bucket=name, Key="in/nothing"),
        lambda: reader.list_objects_v2(Bucket=name),
        lambda: reader.put_object(Bucket=name, Key="in/y", Body=b""),
        lambda: reader.copy_object(Bucket=name, Key="in/y", CopySource=f"{name}/out/x"),
        lambda: reader.delete_object(Bucket=name, Key="in/x"),
        lambda: reader.list_buckets(),
        lambda: reader.delete_bucket(Bucket=name),
    ]
    for call in refused:
        with pytest.raises(botocore.exceptions.ClientError) as error:
            call()
        assert code(error) == ("AccessDenied", 403)
    gone = reader.delete_objects(Bucket=name, Delete={"Objects": [{"Key": "in/x"}]})
    assert gone["Errors"][0]["Code"] == "AccessDenied" and "Deleted" not in gone
    with pytest.raises(urllib.error.HTTPError) as error:
        urllib.request.urlopen(f"{sealed.endpoint}/{name}/in/x")
    assert error.value.code == 403 and b"<Code>AccessDenied</Code>" in error.value.read()
    with pytest.raises(botocore.exceptions.ClientError) as error:
        client(sealed, (root[0], "wrong")).list_buckets()
    assert code(error) == ("SignatureDoesNotMatch", 403)


def test_a_sealed_lake_is_read_by_its_door(start_server, unique):
    """What a delivery stream wrote as Parquet is sealed on disk, and pyarrow and DuckDB read it."""
    server = start_server(arguments=["--encryption", "on"])
    name = unique("rows")
    s3, glue, firehose = client(server), server.client("glue"), server.client("firehose")
    s3.create_bucket(Bucket=name)
    glue.create_database(DatabaseInput={"Name": "db"})
    columns = [{"Name": "id", "Type": "bigint"}, {"Name": "text", "Type": "string"}]
    glue.create_table(DatabaseName="db", TableInput={"Name": "rows", "StorageDescriptor": {"Columns": columns}})
    role = f"arn:aws:iam::{ACCOUNT}:role/r"
    firehose.create_delivery_stream(
        DeliveryStreamName="rows", DeliveryStreamType="DirectPut",
        ExtendedS3DestinationConfiguration={
            "RoleARN": role, "BucketARN": f"arn:aws:s3:::{name}", "Prefix": "rows/", "ErrorOutputPrefix": "errors/",
            "BufferingHints": {"SizeInMBs": 64, "IntervalInSeconds": 0},
            "DataFormatConversionConfiguration": {
                "Enabled": True,
                "InputFormatConfiguration": {"Deserializer": {"OpenXJsonSerDe": {}}},
                "OutputFormatConfiguration": {"Serializer": {"ParquetSerDe": {}}},
                "SchemaConfiguration": {"DatabaseName": "db", "TableName": "rows", "RoleARN": role},
            },
        },
    )
    records = [{"Data": json.dumps({"id": number, "text": f"secret-{number}"}).encode()} for number in range(100)]
    wait_for(lambda: firehose.describe_delivery_stream(DeliveryStreamName="rows")["DeliveryStreamDescription"]
             ["DeliveryStreamStatus"] == "ACTIVE", what="the delivery stream to be ACTIVE")
    assert firehose.put_record_batch(DeliveryStreamName="rows", Records=records)["FailedPutCount"] == 0

    store = pyarrow.fs.S3FileSystem(
        access_key=ACCOUNT, secret_key="any", endpoint_override=f"127.0.0.1:{server.port}", scheme="http", region=REGION
    )

    def read():
        found = s3.list_objects_v2(Bucket=name, Prefix="rows/").get("Contents", [])
        if not found:
            return []
        table = pyarrow.parquet.read_table(f"{name}/rows", filesystem=store)
        return table.num_rows == 100 and table.to_pylist()

    rows = wait_for(read, what="100 rows in the lake")
    assert sorted(row["id"] for row in rows) == list(range(100))
    assert not any(path.read_bytes()[:4] == b"PAR1" for path in (server.data / "lake").rglob("*") if path.is_file())
    with store.open_output_stream(f"{name}/written/by-arrow.bin") as out:
        out.write(b"a" * (11 * MIB))
    assert store.get_file_info(f"{name}/written/by-arrow.bin").size == 11 * MIB



def test_duckdb_reads_and_writes(door, bucket):
    server, (key, secret) = door
    database = duckdb.connect()
    try:
        # It comes from DuckDB's own site (INSTALL httpfs), which a test does not ask.
        database.execute("LOAD httpfs")
    except duckdb.Error as error:
        pytest.skip(f"DuckDB's extension httpfs is not installed: {error}")
    settings = {"s3_endpoint": f"127.0.0.1:{server.port}", "s3_use_ssl": False, "s3_url_style": "path",
                "s3_access_key_id": key, "s3_secret_access_key": secret, "s3_region": REGION}
    for setting, value in settings.items():
        database.execute(f"SET {setting} = {value!r}".replace("False", "false"))
    database.execute(f"COPY (SELECT range AS id FROM range(100)) TO 's3://{bucket}/rows/a.parquet' (FORMAT parquet)")
    found = database.execute(f"SELECT count(*), sum(id) FROM read_parquet('s3://{bucket}/rows/**')").fetchone()
    assert found == (100, 4950)


AES256 = {"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}, "BucketKeyEnabled": False}]}


def test_encryption_is_told_as_it_is(door, bucket):
    s3, is_sealed = client(*door), door[0].arguments != ()
    kms = {"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"}}]}
    with pytest.raises(botocore.exceptions.ClientError) as error:
        s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration=kms)
    assert code(error) == ("NotImplemented", 501)
    if is_sealed:
        assert s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"] == AES256
        s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration=AES256)
        put = s3.put_object(Bucket=bucket, Key="x", Body=b"sealed", ServerSideEncryption="AES256")
        assert put["ServerSideEncryption"] == "AES256"
        # A pass of many parts is told, too, and so is what did not ask for it.
        upload = s3.create_multipart_upload(Bucket=bucket, Key="y")
        assert upload["ServerSideEncryption"] == "AES256"
        s3.abort_multipart_upload(Bucket=bucket, Key="y", UploadId=upload["UploadId"])
    else:
        with pytest.raises(botocore.exceptions.ClientError) as error:
            s3.get_bucket_encryption(Bucket=bucket)
        assert code(error) == ("ServerSideEncryptionConfigurationNotFoundError", 404)
        for refused in (
            lambda: s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration=AES256),
            lambda: s3.put_object(Bucket=bucket, Key="x", Body=b"plain", ServerSideEncryption="AES256"),
        ):
            with pytest.raises(botocore.exceptions.ClientError) as error:
                refused()
            assert code(error) == ("InvalidRequest", 400) and "--encrypt" in str(error.value)
        assert "ServerSideEncryption" not in s3.put_object(Bucket=bucket, Key="x", Body=b"plain")
    s3.delete_bucket_encryption(Bucket=bucket)
