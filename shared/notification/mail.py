"""Sending by mail."""

import contextlib
import smtplib
import ssl
from collections.abc import Iterator
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate, parseaddr
from urllib.parse import unquote, urlsplit

import eventlet

from shared.notification.outcomes import Deferred, OutcomeUnknown, Refused
from shared.settings import Settings

#: Seconds that one wait for the mail server may take, and the whole of one try.
ANSWER_SECONDS = 5.0
SEND_SECONDS = 10.0

#: Letters beyond ASCII travel encoded: not every server on the way takes eight bits (RFC 6152).
_POLICY = SMTP.clone(cte_type="7bit")

#: A password goes over a line without encryption to this machine only.
_LOOPBACK = ("127.0.0.1", "::1", "localhost")


def send_mail(
    *, settings: Settings, notification_id: str, mailbox: str, subject: str, body: str, date: float
) -> None:
    """Hand one message to the mail server; on return it has taken it.

    The message's id is made from *notification_id*, so that a mailbox can drop a double.

    :raises NotSent: when the server did not say that it took it.
    """
    if not settings.smtp_url:
        raise Refused("NoMailServer")
    sender = parseaddr(settings.mail_from)[1]
    message = EmailMessage(policy=_POLICY)
    message["From"] = settings.mail_from
    message["To"] = mailbox
    message["Subject"] = subject
    message["Date"] = formatdate(date)
    message["Message-ID"] = f"<{notification_id}@{sender.rpartition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(body)
    handed_over = False
    try:
        with eventlet.Timeout(SEND_SECONDS), _server(settings, sender) as server:
            # A sender that is refused is our mistake, to be mended: the next try may go better.
            _taken_or(Deferred, server.mail(sender), "SenderRefused")
            _taken_or(Refused, server.rcpt(mailbox), "MailboxRefused")
            handed_over = True
            _taken_or(Refused, server.data(message.as_bytes()), "MessageRefused")
    except smtplib.SMTPDataError as error:
        # Refused before the text was handed over.
        kind = Refused if error.smtp_code >= 500 else Deferred
        raise kind(f"MessageRefused{error.smtp_code}") from None
    except (OSError, smtplib.SMTPException, eventlet.Timeout) as error:
        raise (OutcomeUnknown if handed_over else Deferred)(type(error).__name__) from None


def _taken_or(refusal: type[Deferred | Refused], reply: tuple[int, bytes], what: str) -> None:
    """Raise unless the server said yes; a 4xx means that it may say yes later (RFC 5321, 4.2.1)."""
    code = reply[0]
    if 500 <= code <= 599:
        raise refusal(f"{what}{code}")
    if not 200 <= code <= 299:
        raise Deferred(f"{what}{code}")


@contextlib.contextmanager
def _server(settings: Settings, sender: str) -> Iterator[smtplib.SMTP]:
    url = urlsplit(settings.smtp_url)
    host = url.hostname or ""
    trusted = ssl.create_default_context()
    # Its own name for itself is the sender's domain: the machine's is nobody's business.
    local_hostname = sender.rpartition("@")[2]
    if url.scheme == "smtps":
        server: smtplib.SMTP = smtplib.SMTP_SSL(
            host,
            url.port or smtplib.SMTP_SSL_PORT,
            local_hostname=local_hostname,
            timeout=ANSWER_SECONDS,
            context=trusted,
        )
    else:
        server = smtplib.SMTP(host, url.port or 587, local_hostname=local_hostname, timeout=ANSWER_SECONDS)
    try:
        server.ehlo_or_helo_if_needed()
        encrypted = url.scheme == "smtps"
        if not encrypted and server.has_extn("starttls"):
            server.starttls(context=trusted)
            server.ehlo()
            encrypted = True
        if url.username:
            if not encrypted and host not in _LOOPBACK:
                raise Refused("PasswordWithoutEncryption")
            server.login(unquote(url.username), unquote(url.password or ""))
        yield server
        # Said without waiting for the answer: the message is taken, and a slow good-bye undoes nothing.
        with contextlib.suppress(OSError, smtplib.SMTPException):
            server.putcmd("quit")
    finally:
        server.close()
