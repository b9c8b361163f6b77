"""Sends by smtplib what it can: a text, one that needs SMTPUTF8, one with DSN; and is refused as it should be."""
import smtplib
import ssl
import sys
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8

submission, ca, sender, password, to = sys.argv[1:]
host, port = submission.rsplit(":", 1)
with smtplib.SMTP(host, int(port), timeout=30) as c:
    c.starttls(context=ssl.create_default_context(cafile=ca))
    c.login(sender, password)
    for name in ("size", "8bitmime", "smtputf8", "dsn", "chunking", "binarymime", "deliverby", "mt-priority", "requiretls", "limits"):
        assert c.has_extn(name), name

    def letter(subject):
        m = EmailMessage()
        m["From"], m["To"], m["Subject"] = sender, to, subject
        m.set_content("Kính gửi.\n.hai\n")
        return m

    c.send_message(letter("smtplib"))
    c.sendmail(sender, [to], letter("Họp giao ban").as_bytes(policy=SMTPUTF8), ["SMTPUTF8", "BODY=8BITMIME"])
    c.sendmail(sender, [to], letter("DSN").as_bytes(policy=SMTP), ["RET=HDRS", "ENVID=abc"], ["NOTIFY=NEVER"])
    try:
        c.sendmail(sender, [to], letter("Họp giao ban").as_bytes(policy=SMTPUTF8), ["BODY=8BITMIME"])
        raise AssertionError("a header beyond ASCII was taken without SMTPUTF8")
    except smtplib.SMTPDataError as e:
        assert e.smtp_code == 554 and b"5.6.7" in e.smtp_error, e
    try:
        c.sendmail(sender, ["khongco@" + to.split("@")[1]], "Subject: x\r\n\r\n")
        raise AssertionError("an unknown recipient was taken")
    except smtplib.SMTPRecipientsRefused as e:
        assert list(e.recipients.values())[0][0] == 550, e
