"""IAM and STS as deployment tools and people use them: boto3, its waiters and paginators, and the AWS CLI."""

import datetime
import json
import urllib.parse

import boto3
import pytest
from botocore.exceptions import ClientError
from conftest import ACCOUNT

TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}
OWN = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": "*"}]}
BASIC = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"
OTHER = "222222222222"


@pytest.fixture
def iam(server):
    return server.client("iam")


def refused(call, **arguments):
    """The code and message of the error that a call must end with."""
    with pytest.raises(ClientError) as error:
        call(**arguments)
    return error.value.response["Error"]["Code"], error.value.response["Error"]["Message"]


def test_a_role_lives_as_terraform_has_it(server, iam, unique):
    name = unique("role")
    made = iam.create_role(
        RoleName=name, AssumeRolePolicyDocument=json.dumps(TRUST), Path="/team/", Description="größer & <kleiner>",
        MaxSessionDuration=7200, Tags=[{"Key": "team", "Value": "a b"}],
    )["Role"]
    assert made["Arn"] == f"arn:aws:iam::{ACCOUNT}:role/team/{name}"
    assert made["RoleId"].startswith("AROA") and made["AssumeRolePolicyDocument"] == TRUST
    iam.get_waiter("role_exists").wait(RoleName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 1})
    got = iam.get_role(RoleName=name)["Role"]
    assert got["Description"] == "größer & <kleiner>" and got["MaxSessionDuration"] == 7200
    assert got["Tags"] == [{"Key": "team", "Value": "a b"}] and got["RoleLastUsed"] == {}
    assert got["CreateDate"].tzinfo is not None
    assert refused(
        iam.create_role, RoleName=name, AssumeRolePolicyDocument=json.dumps(TRUST)
    ) == ("EntityAlreadyExists", f"Role with name {name} already exists.")

    iam.put_role_policy(RoleName=name, PolicyName="own", PolicyDocument=json.dumps(OWN))
    iam.attach_role_policy(RoleName=name, PolicyArn=BASIC)
    assert iam.get_role_policy(RoleName=name, PolicyName="own")["PolicyDocument"] == OWN
    assert iam.list_role_policies(RoleName=name)["PolicyNames"] == ["own"]
    assert iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"] == [
        {"PolicyName": "AWSLambdaBasicExecutionRole", "PolicyArn": BASIC}
    ]
    assert iam.list_instance_profiles_for_role(RoleName=name)["InstanceProfiles"] == []

    changed = json.loads(json.dumps(TRUST).replace("lambda", "firehose"))
    iam.update_assume_role_policy(RoleName=name, PolicyDocument=json.dumps(changed))
    iam.update_role(RoleName=name, Description="new", MaxSessionDuration=3600)
    iam.tag_role(RoleName=name, Tags=[{"Key": "cost", "Value": "1"}, {"Key": "team", "Value": "c"}])
    iam.untag_role(RoleName=name, TagKeys=["cost"])
    assert iam.list_role_tags(RoleName=name)["Tags"] == [{"Key": "team", "Value": "c"}]
    got = iam.get_role(RoleName=name)["Role"]
    assert got["AssumeRolePolicyDocument"] == changed and got["Description"] == "new"

    # Other accounts see nothing of it.
    assert refused(server.client("iam", account=OTHER).get_role, RoleName=name)[0] == "NoSuchEntity"

    code, message = refused(iam.delete_role, RoleName=name)
    assert (code, message) == ("DeleteConflict", "Cannot delete entity, must detach all policies first.")
    iam.detach_role_policy(RoleName=name, PolicyArn=BASIC)
    assert refused(iam.delete_role, RoleName=name)[1] == "Cannot delete entity, must delete policies first."
    iam.delete_role_policy(RoleName=name, PolicyName="own")
    iam.delete_role(RoleName=name)
    with pytest.raises(iam.exceptions.NoSuchEntityException, match=f"The role with name {name} cannot be found."):
        iam.get_role(RoleName=name)


def test_a_policy_has_versions(iam, unique):
    name, role = unique("policy"), unique("role")
    arn = iam.create_policy(PolicyName=name, PolicyDocument=json.dumps(OWN), Description="d")["Policy"]["Arn"]
    iam.get_waiter("policy_exists").wait(PolicyArn=arn, WaiterConfig={"Delay": 1, "MaxAttempts": 1})
    wider = json.loads(json.dumps(OWN).replace("s3:GetObject", "s3:*"))
    made = iam.create_policy_version(PolicyArn=arn, PolicyDocument=json.dumps(wider), SetAsDefault=True)
    assert made["PolicyVersion"]["VersionId"] == "v2"
    policy = iam.get_policy(PolicyArn=arn)["Policy"]
    assert policy["DefaultVersionId"] == "v2" and policy["AttachmentCount"] == 0 and policy["Description"] == "d"
    versions = iam.list_policy_versions(PolicyArn=arn)["Versions"]
    assert {version["VersionId"]: version["IsDefaultVersion"] for version in versions} == {"v1": False, "v2": True}
    assert iam.get_policy_version(PolicyArn=arn, VersionId="v2")["PolicyVersion"]["Document"] == wider

    iam.create_role(RoleName=role, AssumeRolePolicyDocument=json.dumps(TRUST))
    iam.attach_role_policy(RoleName=role, PolicyArn=arn)
    assert [entity["RoleName"] for entity in iam.list_entities_for_policy(PolicyArn=arn)["PolicyRoles"]] == [role]
    assert iam.get_policy(PolicyArn=arn)["Policy"]["AttachmentCount"] == 1
    assert refused(iam.delete_policy, PolicyArn=arn)[1] == "Cannot delete a policy attached to entities."
    iam.detach_role_policy(RoleName=role, PolicyArn=arn)
    iam.delete_policy_version(PolicyArn=arn, VersionId="v1")
    iam.delete_policy(PolicyArn=arn)
    assert refused(iam.get_policy, PolicyArn=arn) == ("NoSuchEntity", f"Policy {arn} was not found.")
    iam.delete_role(RoleName=role)


def test_lists_come_in_pages(iam, unique):
    start = unique("page")
    names = [f"{start}-{number}" for number in range(5)]
    for name in names:
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(TRUST), Path=f"/{start}/")
    pages = iam.get_paginator("list_roles").paginate(PathPrefix=f"/{start}/", PaginationConfig={"PageSize": 2})
    pages = [[role["RoleName"] for role in page["Roles"]] for page in pages]
    assert pages == [names[:2], names[2:4], names[4:]]
    known = iam.get_paginator("list_policies").paginate(Scope="AWS").build_full_result()["Policies"]
    assert BASIC in [policy["Arn"] for policy in known]
    statement = iam.get_policy_version(PolicyArn=BASIC, VersionId="v1")["PolicyVersion"]["Document"]["Statement"][0]
    assert statement["Action"] == ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"]


def test_what_is_wrong_is_said_in_iams_words(iam, unique):
    name = unique("bad")
    make = lambda document: refused(iam.create_role, RoleName=name, AssumeRolePolicyDocument=document)
    assert make("{") == ("MalformedPolicyDocument", "This policy contains invalid Json")
    assert make(json.dumps(OWN))[1] == "Missing required field Principal"
    code, message = refused(iam.create_role, RoleName="a b", AssumeRolePolicyDocument=json.dumps(TRUST))
    assert code == "ValidationError" and "Value 'a b' at 'roleName' failed to satisfy constraint" in message
    code, message = refused(iam.create_login_profile, UserName="u", Password="p4ssw0rd!")
    assert code == "UnsupportedOperationException" and "CreateLoginProfile" in message and "docs/compat/access.md" in message


def test_a_session_of_a_role_is_somebody(server, iam, unique):
    name = unique("role")
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]
    sts = server.client("sts", account=OTHER)
    session = sts.assume_role(RoleArn=role["Arn"], RoleSessionName="me", DurationSeconds=900)
    assert session["AssumedRoleUser"] == {
        "Arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/{name}/me", "AssumedRoleId": f"{role['RoleId']}:me",
    }
    keys = session["Credentials"]
    left = keys["Expiration"] - datetime.datetime.now(datetime.timezone.utc)
    assert datetime.timedelta(minutes=14) < left <= datetime.timedelta(minutes=15)
    assumed = boto3.session.Session(
        aws_access_key_id=keys["AccessKeyId"], aws_secret_access_key=keys["SecretAccessKey"],
        aws_session_token=keys["SessionToken"], region_name="us-east-1",
    )
    who = assumed.client("sts", endpoint_url=server.endpoint).get_caller_identity()
    assert (who["Account"], who["Arn"]) == (ACCOUNT, session["AssumedRoleUser"]["Arn"])
    # It acts in the role's account: it sees the role.
    assert assumed.client("iam", endpoint_url=server.endpoint).get_role(RoleName=name)["Role"]["Arn"] == role["Arn"]
    assert sts.get_access_key_info(AccessKeyId=keys["AccessKeyId"])["Account"] == ACCOUNT

    absent = f"arn:aws:iam::{ACCOUNT}:role/{unique('absent')}"
    code, message = refused(sts.assume_role, RoleArn=absent, RoleSessionName="me")
    assert code == "AccessDenied"
    assert message == (
        f"User: arn:aws:iam::{OTHER}:root is not authorized to perform: sts:AssumeRole on resource: {absent}"
    )
    code, message = refused(sts.assume_role, RoleArn=role["Arn"], RoleSessionName="me", Policy="{")
    assert code == "MalformedPolicyDocument" and message == "This policy contains invalid Json"
    sts.assume_role(RoleArn=role["Arn"], RoleSessionName="me", Policy=json.dumps(OWN))


def test_users_and_keys(server, iam, unique):
    name = unique("user")
    iam.create_user(UserName=name)
    iam.get_waiter("user_exists").wait(UserName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 1})
    key = iam.create_access_key(UserName=name)["AccessKey"]
    assert iam.list_access_keys(UserName=name)["AccessKeyMetadata"][0]["AccessKeyId"] == key["AccessKeyId"]
    own = server.client("sts", account=key["AccessKeyId"])
    assert own.get_caller_identity()["Arn"] == f"arn:aws:iam::{ACCOUNT}:user/{name}"
    assert server.client("iam", account=key["AccessKeyId"]).get_user()["User"]["UserName"] == name
    iam.delete_access_key(UserName=name, AccessKeyId=key["AccessKeyId"])
    iam.delete_user(UserName=name)
    assert iam.list_account_aliases()["AccountAliases"] == []


def test_the_cli_and_a_restart(start_server, unique, tmp_path):
    server = start_server()
    trust = tmp_path / "trust.json"
    trust.write_text(json.dumps(TRUST))
    made = server.aws("iam", "create-role", "--role-name", "r", "--assume-role-policy-document", f"file://{trust}")
    assert made.returncode == 0, made.stderr
    assert json.loads(made.stdout)["Role"]["AssumeRolePolicyDocument"] == TRUST
    server.kill9()
    server.restart()
    got = server.aws("iam", "get-role", "--role-name", "r", "--query", "Role.Arn", "--output", "text")
    assert got.stdout.strip() == f"arn:aws:iam::{ACCOUNT}:role/r"
    assert server.aws("iam", "wait", "role-exists", "--role-name", "r").returncode == 0
    missing = server.aws("iam", "get-role", "--role-name", "none")
    assert "(NoSuchEntity)" in missing.stderr and "The role with name none cannot be found." in missing.stderr
    who = json.loads(server.aws("sts", "get-caller-identity").stdout)
    assert who == {"UserId": ACCOUNT, "Account": ACCOUNT, "Arn": f"arn:aws:iam::{ACCOUNT}:root"}


TEMPLATE = f"""
AWSTemplateFormatVersion: "2010-09-09"
Resources:
  Loader:
    Type: AWS::IAM::Role
    Properties:
      RoleName: loader
      AssumeRolePolicyDocument: {json.dumps(TRUST)}
      ManagedPolicyArns: [{BASIC}]
      Policies:
        - PolicyName: own
          PolicyDocument: {json.dumps(OWN)}
  More:
    Type: AWS::IAM::Policy
    Properties:
      PolicyName: more
      PolicyDocument: {json.dumps(OWN)}
      Roles: [!Ref Loader]
"""


def test_a_role_of_a_template_is_seen(start_server, tmp_path):
    template = tmp_path / "roles.yaml"
    template.write_text(TEMPLATE)
    server = start_server(template)
    iam = server.client("iam")
    role = iam.get_role(RoleName="loader")["Role"]
    assert role["AssumeRolePolicyDocument"] == TRUST
    assert sorted(iam.list_role_policies(RoleName="loader")["PolicyNames"]) == ["more", "own"]
    iam.attach_role_policy(RoleName="loader", PolicyArn="arn:aws:iam::aws:policy/AmazonSQSFullAccess")

    # What the template no longer has goes; what somebody else put there stays.
    template.write_text(TEMPLATE[:TEMPLATE.index("  More:")].replace("PolicyName: own", "PolicyName: other"))
    done = server.millrace("deploy", template)
    assert done.returncode == 0, done.stderr + done.stdout
    assert iam.get_role(RoleName="loader")["Role"]["RoleId"] == role["RoleId"]
    assert iam.list_role_policies(RoleName="loader")["PolicyNames"] == ["other"]
    arns = [policy["PolicyArn"] for policy in iam.list_attached_role_policies(RoleName="loader")["AttachedPolicies"]]
    assert arns == ["arn:aws:iam::aws:policy/AmazonSQSFullAccess", BASIC]


def test_documents_are_percent_encoded(server, iam, unique):
    """What travels is what AWS sends: botocore decodes it, other clients do as well."""
    name = unique("raw")
    spaced = json.dumps(TRUST, indent=2)
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=spaced)
    raw = []
    iam.meta.events.register("before-parse.iam.GetRole", lambda response_dict, **_: raw.append(response_dict["body"]))
    iam.get_role(RoleName=name)
    text = raw[0].decode()
    start = text.index("<AssumeRolePolicyDocument>") + len("<AssumeRolePolicyDocument>")
    encoded = text[start:text.index("</AssumeRolePolicyDocument>")]
    assert "+" not in encoded and urllib.parse.unquote(encoded) == spaced
