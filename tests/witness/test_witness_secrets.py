"""What is masked in command lines, and what is not."""

from __future__ import annotations

import pytest

from oomtrace.witness.secrets import masked

# What must not be seen has S3CR3T in it, whatever shape it has besides.
SECRET = "S3CR3T"


@pytest.mark.parametrize("command", [
    ["app", "--password=S3CR3T"],
    ["app", "--password", "S3CR3T"],
    ["app", "-password", "S3CR3T"],
    ["app", "--db-password=S3CR3T-with=sign"],
    ["app", "--dbPassword=S3CR3T"],
    ["app", "-Ddb.password=S3CR3T"],
    ["java", "-Djavax.net.ssl.keyStorePassword=S3CR3T", "-jar", "app.jar"],
    ["env", "DB_PASSWORD=S3CR3T", "app"],
    ["env", "AWS_SECRET_ACCESS_KEY=S3CR3T/abc+def", "aws", "s3", "ls"],
    ["app", "--api-key", "S3CR3T"],
    ["app", "--apikey=S3CR3T"],
    ["app", "--token=S3CR3T"],
    ["app", "--auth-token", "S3CR3T"],
    ["app", "--client-secret=S3CR3T"],
    ["app", "password:S3CR3T"],
    ["mysql", "-u", "root", "-pS3CR3T", "shop"],
    ["/usr/bin/mysqldump", "--password=S3CR3T", "shop"],
    ["sshpass", "-p", "S3CR3T", "ssh", "host"],
    ["redis-cli", "-a", "S3CR3T"],
    ["redis-server", "--requirepass", "S3CR3T"],
    ["curl", "-u", "me:S3CR3T", "https://example.org/"],
    ["curl", "-ume:S3CR3T", "https://example.org/"],
    ["curl", "-H", "Authorization: Bearer S3CR3Tabcdefgh"],
    ["curl", "-H", "X-Api-Key: S3CR3T"],
    ["curl", "https://me:S3CR3T@example.org/path"],
    ["psql", "postgresql://me:S3CR3T@db/shop?sslmode=require"],
    ["app", "amqp://guest:S3CR3T@mq:5672//"],
    ["app", "https://example.org/?access_token=S3CR3T&page=2"],
    ["sh", "-c", "export PGPASSWORD=S3CR3T; exec psql shop"],
    ["sh", "-c", "curl --user me --password S3CR3T https://example.org"],
    ["sh", "-c", "app --password='S3CR3T with blanks' --table orders"],
    ["app", '{"user": "me", "password": "S3CR3T"}'],
    ["app: worker --password=S3CR3T [idle]"],
    ["docker", "run", "-e", "MYSQL_ROOT_PASSWORD=S3CR3T", "mysql"],
    ["git", "clone", "https://S3CR3Tabcdefghijklmnopqrstuvwxyz@example.org/r.git"],
])
def test_secrets_are_masked(command: list[str]) -> None:
    found, hidden = masked(command)
    assert SECRET not in " ".join(found)
    assert hidden == 1
    assert len(found) == len(command)


@pytest.mark.parametrize("shape", [
    "AKIAIOSFODNN7EXAMPLE",
    "ghp_0123456789abcdefghijABCDEFGHIJ012345",
    "glpat-0123456789abcdefghij",
    "xoxb-0123456789-abcdefghij",
    "sk_live_0123456789abcdef",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abc-def_123",
    "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----",
])
def test_secrets_that_show_themselves(shape: str) -> None:
    assert masked(["app", f"--value={shape}"]) == (("app", "--value=***"), 1)
    assert masked(["app", shape]) == (("app", "***"), 1)


@pytest.mark.parametrize("command", [
    ["python3", "-m", "etl.load", "--table", "orders"],
    ["java", "-Xmx2g", "-XX:+UseG1GC", "-jar", "/srv/app.jar", "--server.port=8080"],
    ["app", "--passive", "--keyboard=us", "--sort-key", "name", "--primary-key=id"],
    ["app", "--password-file=/run/secrets/db", "--token-ttl=3600", "--secret-name", "db"],
    ["app", "--no-password", "next"],
    ["mysql", "-p", "shop"],
    ["tail", "/dev/zero"],
    ["ssh", "-p", "2222", "host"],
    ["nginx: worker process"],
    ["sh", "-c", 'exec app --password="$PASSWORD"'],
    ["curl", "https://example.org/a:b/c?page=2&sort=key"],
    ["sort", "-t:", "-k2"],
    ["postgres: shop me 10.0.0.1(5432) SELECT"],
    ["app", ""],
    [],
])
def test_the_rest_stays(command: list[str]) -> None:
    assert masked(command) == (tuple(command), 0)


def test_an_option_without_its_value() -> None:
    """What follows a switch of that name is an option of its own."""
    assert masked(["app", "--password", "--table", "orders"]) == (("app", "--password", "--table", "orders"), 0)
