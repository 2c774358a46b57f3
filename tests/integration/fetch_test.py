"""Files behind URLs, as a user reaches them: what a server over http, https or S3 may do, and what ff-ci makes of it."""

import contextlib
import datetime
import gzip
import hashlib
import hmac
import http.server
import json
import ssl
import threading
import unittest
import urllib.parse

from harness import FfciTest

# Signs itself, for 127.0.0.1, until 2120. Nobody trusts it.
CERTIFICATE = """\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg4HXsbf1VRJG6OwW9
iYhXrpjfKyddSdzsODug17Vz+2ihRANCAAQJPVsmeVjbyYrLQlMx7pPsIqOvG8Ks
1vLoofNueIV1k6V+pcaOCQupm8NSk3bqysNG2QpvwuuI1YQ3vKXvISow
-----END PRIVATE KEY-----
-----BEGIN CERTIFICATE-----
MIIBPjCB5aADAgECAgEBMAoGCCqGSM49BAMCMBUxEzARBgNVBAMMCmZmLWNpLXRl
c3QwIBcNMjAwMTAxMDAwMDAwWhgPMjEyMDAxMDEwMDAwMDBaMBUxEzARBgNVBAMM
CmZmLWNpLXRlc3QwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAQJPVsmeVjbyYrL
QlMx7pPsIqOvG8Ks1vLoofNueIV1k6V+pcaOCQupm8NSk3bqysNG2QpvwuuI1YQ3
vKXvISowoyQwIjAPBgNVHREECDAGhwR/AAABMA8GA1UdEwEB/wQFMAMBAf8wCgYI
KoZIzj0EAwIDSAAwRQIgSHeJyM9hwTKLv7idQfkkNW4RZtqivqjl9ulDzmvlwGYC
IQDFJj2wgEm8TcDE05QI8LtwnTWzZssR7kPVcFr7UQUtHg==
-----END CERTIFICATE-----
"""


def signature(key, when, region, method, path, query, headers, signed, digest):
    """SigV4 as AWS documents it: of `headers` (names in lower case), those that `signed` names."""
    lines = [method, path, query, *(f"{name}:{' '.join(headers[name].split())}" for name in signed), "", ";".join(signed), digest]
    scope = [when[:8], region, "s3", "aws4_request"]
    to_sign = ["AWS4-HMAC-SHA256", when, "/".join(scope), hashlib.sha256("\n".join(lines).encode()).hexdigest()]
    secret = b"AWS4" + key.encode()
    for part in scope:
        secret = hmac.new(secret, part.encode(), hashlib.sha256).digest()
    return hmac.new(secret, "\n".join(to_sign).encode(), hashlib.sha256).hexdigest()


class Handler(http.server.BaseHTTPRequestHandler):
    """GET answers what server.answers has for the path, the n-th time the n-th: (status, headers, body).

    None stands for a connection that is closed at once, a body's None for one without end.
    """

    def do_GET(self):
        self.server.asked.append((self.path, dict(self.headers)))
        path = self.path.split("?")[0]
        answers = self.server.answers.get(path, [(404, {}, b"")])
        number = sum(asked.split("?")[0] == path for asked, _ in self.server.asked) - 1
        answer = answers[min(number, len(answers) - 1)]
        self.answer(*answer) if answer else self.connection.close()

    def answer(self, status, headers, body):
        self.send_response(status)
        length = {} if body is None or "Content-Length" in headers else {"Content-Length": len(body)}
        for name, value in {**headers, **length}.items():
            self.send_header(name, value)
        self.end_headers()
        with contextlib.suppress(OSError):
            self.wfile.write(body or b"")
            while body is None:
                self.wfile.write(b" " * (1 << 20))

    def log_message(self, *_):
        pass


class S3Handler(Handler):
    """A bucket: server.objects by key. Refuses what is not signed with the server's key, region and session."""

    def do_GET(self):
        headers = {name.lower(): value for name, value in self.headers.items()}
        path, _, query = self.path.partition("?")
        self.server.asked.append((self.path, headers))
        refusal = self.refusal(headers, path, query)
        # What S3 decodes is canonical: encoded again, it is the same.
        key = urllib.parse.unquote(path).removeprefix("/bucket/")
        if urllib.parse.quote("/bucket/" + key, safe="/-._~") != path:
            refusal = refusal or "InvalidURI"
        body = self.server.objects.get(key)
        if refusal:
            self.answer(403, {}, f"<Error><Code>{refusal}</Code><Message>{headers}</Message></Error>".encode())
        elif body is None:
            self.answer(404, {}, b"<Error><Code>NoSuchKey</Code></Error>")
        else:
            self.answer(200, {}, body)

    def refusal(self, headers, path, query):
        authorization = headers.get("authorization")
        if authorization is None:
            return None if self.server.is_public else "AccessDenied"
        said = dict(part.split("=", 1) for part in authorization.removeprefix("AWS4-HMAC-SHA256 ").split(", "))
        access_key, date, region, *_ = said["Credential"].split("/")
        signed = said["SignedHeaders"].split(";")
        when = headers["x-amz-date"]
        age = datetime.datetime.now(datetime.timezone.utc) - datetime.datetime.strptime(when + "+0000", "%Y%m%dT%H%M%SZ%z")
        must = {"host"} | {name for name in headers if name.startswith("x-amz-")}
        if signed != sorted(signed) or not must <= set(signed) or date != when[:8] or abs(age.total_seconds()) > 900:
            return "AuthorizationHeaderMalformed"
        if headers["x-amz-content-sha256"] != hashlib.sha256(b"").hexdigest():
            return "XAmzContentSHA256Mismatch"
        if access_key != "AKID" or region != "eu-west-1" or headers.get("x-amz-security-token") != self.server.session:
            return "InvalidAccessKeyId"
        wanted = signature("s3/cr+et", when, region, "GET", path, query, headers, signed, headers["x-amz-content-sha256"])
        return None if hmac.compare_digest(wanted, said["Signature"]) else "SignatureDoesNotMatch"


class Signature(unittest.TestCase):
    def test_it_is_that_of_the_example_of_aws(self):
        """The first of "Authenticating Requests: Using the Authorization Header" in the reference of S3."""
        nothing = hashlib.sha256(b"").hexdigest()
        headers = {"host": "examplebucket.s3.amazonaws.com", "range": "bytes=0-9", "x-amz-content-sha256": nothing,
                   "x-amz-date": "20130524T000000Z"}
        made = signature("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "20130524T000000Z", "us-east-1", "GET", "/test.txt", "",
                         headers, sorted(headers), nothing)
        self.assertEqual(made, "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41")


class FetchTest(FfciTest):
    @classmethod
    def setUpClass(cls):
        """One run for all: its summary is what is fetched."""
        maker = FfciTest()
        FfciTest.setUp(maker)
        maker.commands({"a": "true"})
        done = maker.run_job()
        assert done.returncode == 0, done.stderr
        cls.run_id = maker.summary()["run_id"]
        cls.body = (maker.folder / "results/latest/summary.json").read_bytes()
        maker.doCleanups()

    def start_server(self, handler=Handler, secure=False, **attributes):
        """A server, until the test ends; its URL is server.url."""
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        if secure:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self.write("server.pem", CERTIFICATE))
            server.socket = context.wrap_socket(server.socket, server_side=True)
            server.handle_error = lambda *_: None  # those who do not trust it
        server.asked = []
        server.url = f"http{'s' if secure else ''}://127.0.0.1:{server.server_port}"
        for name, value in attributes.items():
            setattr(server, name, value)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        return server

    def environment(self, **changes):
        environment = {name: value for name, value in super().environment().items()
                       if not name.startswith(("AWS_", "SSL_CERT_")) and name not in ("CURL_CA_BUNDLE",)}
        return {**environment, "no_proxy": "127.0.0.1", **changes}

    def fetched(self, url, **env):
        done = self.ffci("report", url, env=env)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout

    def refused(self, code, url, **env):
        """The complaint of a command that exits with this code."""
        done = self.ffci("report", url, env=env)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done.stderr


class Http(FetchTest):
    def test_a_run_is_compared_with_one_behind_a_url_also_behind_a_redirect(self):
        server = self.start_server(answers={"/summary.json": [(200, {}, self.body)], "/moved": [(302, {"Location": "/summary.json"}, b"")]})
        self.commands({"a": "true"})
        self.assertEqual(self.run_job().returncode, 0)
        for name in ("summary.json", "moved"):
            done = self.ffci("compare", "-a", f"{server.url}/{name}", "--json")
            self.assertEqual(json.loads(done.stdout)["a"]["run_id"], self.run_id, done.stderr)
        self.assertEqual(self.ffci("list", "job.yaml", "-v", "--durations", f"{server.url}/summary.json").returncode, 0)

    def test_credentials_of_a_url_are_used_and_never_shown(self):
        server = self.start_server(answers={"/good": [(200, {}, self.body)], "/bad": [(200, {}, b"oops")]})
        url = server.url.replace("://", "://me:secret@")
        said = [self.fetched(f"{url}/good?token=hidden"), self.refused(65, f"{url}/bad?token=hidden"),
                self.refused(66, f"{url}/none?token=hidden")]
        self.assertTrue(server.asked[0][1]["Authorization"].startswith("Basic "))
        for word in ("secret", "hidden"):
            self.assertNotIn(word, "".join(said))
        self.assertIn("http://127.0.0.1", said[1])

    def test_what_a_server_may_do_wrong_is_told(self):
        answers = {"/broken": [(200, {}, b'{"version": 1,')], "/endless": [(200, {}, None)], "/loop": [(302, {"Location": "/loop"}, b"")],
                   "/away": [(302, {"Location": "file:///etc/passwd"}, b"")], "/private": [(401, {}, b"")],
                   "/cut": [(200, {"Content-Length": len(self.body) // 2}, self.body)]}
        url = self.start_server(answers=answers).url
        self.assertIn("status 404", self.refused(66, f"{url}/none"))
        self.assertIn("status 401; no token was given", self.refused(69, f"{url}/private"))
        self.assertIn(":1:15: is no summary.json", self.refused(65, f"{url}/broken"))
        self.assertIn("is no summary.json", self.refused(65, f"{url}/cut"))
        self.assertIn("larger than 128.0 MiB", self.refused(65, f"{url}/endless"))
        self.assertIn("more than 5 redirects", self.refused(69, f"{url}/loop"))
        self.refused(69, f"{url}/away")
        self.assertIn("only http, https and s3", self.refused(65, "ftp://127.0.0.1/x"))

    def test_what_passes_is_tried_again(self):
        good = (200, {}, self.body)
        short = (200, {"Content-Length": len(self.body) + 1}, self.body)
        server = self.start_server(answers={"/busy": [(503, {"Retry-After": "1"}, b""), good], "/short": [short, good],
                                            "/closed": [None, good]})
        for name in ("busy", "short", "closed"):
            self.fetched(f"{server.url}/{name}")
        self.assertEqual(len(server.asked), 6)

    def test_a_server_that_stays_away_is_given_up(self):
        server = self.start_server(answers={})
        server.shutdown()
        server.server_close()
        self.assertRegex(self.refused(69, f"{server.url}/x"), r"cannot get http://127.0.0.1:\d+/x: .*; gave up after 5 tries")

    def test_what_is_packed_counts_as_it_is_unpacked(self):
        packed = {"Content-Encoding": "gzip"}
        bomb = gzip.compress(b" " * (129 << 20), 1)
        self.assertLess(len(bomb), 1 << 20)
        url = self.start_server(answers={"/good": [(200, packed, gzip.compress(self.body))], "/bomb": [(200, packed, bomb)]}).url
        self.fetched(f"{url}/good")
        self.assertIn("larger than 128.0 MiB", self.refused(65, f"{url}/bomb"))


class Https(FetchTest):
    def setUp(self):
        super().setUp()
        self.plain = self.start_server(answers={"/file": [(200, {}, self.body)]})
        answers = {"/file": self.plain.answers["/file"], "/down": [(302, {"Location": f"{self.plain.url}/file"}, b"")]}
        self.server = self.start_server(secure=True, answers=answers)

    def test_a_certificate_that_nobody_knows_is_refused_at_once(self):
        complaint = self.refused(69, f"{self.server.url}/file")
        self.assertIn("the server's certificate is not of a known authority", complaint)
        self.assertNotIn("gave up", complaint)
        self.assertEqual(self.server.asked, [])

    def test_the_environment_names_further_authorities(self):
        for name in ("SSL_CERT_FILE", "CURL_CA_BUNDLE"):
            self.fetched(f"{self.server.url}/file", **{name: str(self.folder / "server.pem")})
        self.assertIn("/nowhere.pem", self.refused(69, f"{self.server.url}/file", SSL_CERT_FILE="/nowhere.pem"))

    def test_a_certificate_is_for_its_host_alone(self):
        url = f"https://localhost:{self.server.server_port}/file"
        self.assertIn("certificate", self.refused(69, url, SSL_CERT_FILE=str(self.folder / "server.pem"), no_proxy="localhost"))

    def test_no_redirect_leads_out_of_tls(self):
        complaint = self.refused(69, f"{self.server.url}/down", SSL_CERT_FILE=str(self.folder / "server.pem"))
        self.assertIn("leads from https to http://127.0.0.1", complaint)
        self.assertEqual(self.plain.asked, [])

    def test_a_redirect_leads_into_tls(self):
        self.plain.answers["/up"] = [(302, {"Location": f"{self.server.url}/file"}, b"")]
        self.fetched(f"{self.plain.url}/up", SSL_CERT_FILE=str(self.folder / "server.pem"))


class S3(FetchTest):
    keys = ["summary.json", "a b", "a+b=c", "ä/ö €", "/begins", "a//b", "a/../b/./c", "100%", "a%20b", "q?r#s&t", "~-_.!*'();:@$,[]"]

    def setUp(self):
        super().setUp()
        self.server = self.start_server(S3Handler, objects={key: self.body for key in self.keys}, session=None, is_public=False)
        self.own = {"AWS_ENDPOINT_URL_S3": self.server.url, "AWS_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "AKID",
                    "AWS_SECRET_ACCESS_KEY": "s3/cr+et"}

    def test_the_signature_is_right_whatever_the_key(self):
        for key in self.keys:
            with self.subTest(key):
                self.fetched(f"s3://bucket/{key}", **self.own)

    def test_the_session_is_signed(self):
        self.server.session = "FwoGZXIvYXdzE//+=="
        self.fetched("s3://bucket/a b", **self.own, AWS_SESSION_TOKEN=self.server.session)
        self.assertIn("x-amz-security-token", self.server.asked[0][1]["authorization"])

    def test_without_keys_a_public_bucket_is_read(self):
        self.server.is_public = True
        anonymous = {"AWS_ENDPOINT_URL": self.server.url}
        self.fetched("s3://bucket/a b", **anonymous)
        self.server.is_public = False
        self.assertIn("403 (AccessDenied); not set: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY",
                      self.refused(69, "s3://bucket/a b", **anonymous))

    def test_what_is_refused_is_told_without_a_secret(self):
        complaint = self.refused(69, "s3://bucket/a b", **{**self.own, "AWS_SECRET_ACCESS_KEY": "wrong-one"}, AWS_SESSION_TOKEN="session")
        self.assertIn("cannot get s3://bucket/a b: the server answers with status 403 (InvalidAccessKeyId); check AWS_", complaint)
        complaint += self.refused(69, "s3://bucket/a b", **{**self.own, "AWS_SECRET_ACCESS_KEY": "wrong-one"})
        self.assertIn("403 (SignatureDoesNotMatch)", complaint)
        for word in ("wrong-one", "session", "AKID"):
            self.assertNotIn(word, complaint)

    def test_an_object_that_is_not_there_is_told_apart(self):
        self.assertIn("404 (NoSuchKey) (not there)", self.refused(66, "s3://bucket/none", **self.own))


if __name__ == "__main__":
    unittest.main()
