"""What is sent is encrypted for whoever it is addressed to, and for nobody else."""

import ipaddress
import socket
import ssl
from datetime import UTC, datetime, timedelta

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.notification.desk import NURSE, variables_for
from tests.notification.mailroom import MailServer, Pager

NAME = "pager.lakeside.example.org"


@pytest.fixture
def certified(tmp_path, monkeypatch):
    """Return a function that makes a server's certificate, by an authority that this machine trusts."""

    def certificate_for(name: str) -> ssl.SSLContext:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        now = datetime.now(UTC)
        names = [x509.DNSName(name), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        certificate = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            # Only mail is sent to a number; the webhook must insist on the name.
            .add_extension(x509.SubjectAlternativeName(names if name == NAME else names[:1]), critical=False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(key, hashes.SHA256())
        )
        place = tmp_path / "trusted.pem"
        place.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        secret = tmp_path / "key.pem"
        secret.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        monkeypatch.setenv("SSL_CERT_FILE", str(place))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(place, secret)
        return context

    return certificate_for


@pytest.fixture
def named(monkeypatch):
    """The pager's name leads to this machine."""
    real = socket.getaddrinfo

    def look_up(host, *args, **options):
        return real("127.0.0.1" if host == NAME else host, *args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)


class TestWebhook:
    @pytest.fixture
    def url(self, pager: Pager) -> str:
        port = pager.url.partition("127.0.0.1:")[2].partition("/")[0]
        return f"https://{NAME}:{port}/pages"

    def test_reaches_whoever_proves_to_have_the_name(self, desk, pager, certified, named, url):
        pager.encrypt(certified(NAME))
        asked = desk.ask(url)

        desk.send_due()

        assert [webhook_id for webhook_id, _ in pager.taken] == [asked]
        assert desk.row(asked).state == "sent"

    def test_does_not_reach_whoever_has_another_name(self, desk, pager, certified, named, url):
        pager.encrypt(certified("somebody.else.example.org"))
        asked = desk.ask(url)

        desk.send_due()

        assert pager.requests == 0
        assert (desk.row(asked).state, desk.row(asked).error) == ("waiting", "SSLError")

    def test_does_not_reach_whom_nobody_trusts(self, desk, pager, certified, named, url, monkeypatch):
        pager.encrypt(certified(NAME))
        monkeypatch.delenv("SSL_CERT_FILE")
        asked = desk.ask(url)

        desk.send_due()

        assert pager.requests == 0
        assert (desk.row(asked).state, desk.row(asked).error) == ("waiting", "SSLError")


class TestMail:
    def run(self, mail: MailServer, desk_of, url: str, **options):
        mail.stop()
        controller = Controller(mail, hostname="127.0.0.1", port=mail.port, **options)
        controller.start()
        try:
            desk = desk_of(**variables_for(mail) | {"HOMEWARD_SMTP_URL": url})
            asked = desk.ask(NURSE)
            desk.send_due()
            return desk.row(asked)
        finally:
            controller.stop()

    def test_is_encrypted_where_the_server_offers_it(self, desk_of, mail, certified):
        row = self.run(mail, desk_of, mail.url, tls_context=certified(NAME), require_starttls=True)

        assert (row.state, mail.readers) == ("sent", ["night.nurse@example.org"])

    def test_does_not_go_to_a_server_that_nobody_trusts(self, desk_of, mail, certified, monkeypatch):
        context = certified(NAME)
        monkeypatch.delenv("SSL_CERT_FILE")

        row = self.run(mail, desk_of, mail.url, tls_context=context, require_starttls=True)

        assert (row.state, row.error, mail.taken) == ("waiting", "SSLCertVerificationError", [])

    def test_signs_in_with_the_password_of_the_settings(self, desk_of, mail, certified):
        signed_in = []

        def authenticate(server, session, envelope, mechanism, login):
            signed_in.append((login.login.decode(), login.password.decode()))
            return AuthResult(success=True)

        url = mail.url.replace("smtp://", "smtp://front%40desk:s%3Acret@")
        row = self.run(
            mail,
            desk_of,
            url,
            tls_context=certified(NAME),
            authenticator=authenticate,
            auth_required=True,
            auth_require_tls=True,
        )

        assert (row.state, signed_in) == ("sent", [("front@desk", "s:cret")])

    def test_tells_its_password_to_nobody_over_an_open_line(self, desk_of, mail, monkeypatch):
        monkeypatch.setattr("shared.notification.mail._LOOPBACK", ())
        url = mail.url.replace("smtp://", "smtp://desk:secret@")

        row = self.run(mail, desk_of, url)

        assert (row.state, row.error, mail.taken) == ("failed", "PasswordWithoutEncryption", [])
